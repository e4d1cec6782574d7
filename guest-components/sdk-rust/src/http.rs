//! HTTP requests through the host's proxy, under a sandbox's egress rules.

use std::time::Duration;

use crate::bindings::mimobox::host::http as host;
use crate::clock::nanoseconds;
use crate::error::Result;
use crate::sandbox::Sandbox;
use crate::streams::{ByteReader, ByteWriter};

/// A request to be sent, from [`Sandbox::request`].
#[derive(Debug)]
#[must_use = "a request is not sent until `send`"]
pub struct Request<'a> {
    sandbox: &'a Sandbox,
    request: host::Request,
    body: Option<Vec<u8>>,
}

/// The answer to a request.
#[derive(Debug)]
pub struct Response {
    /// HTTP status code.
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Its bytes, as they arrive.
    pub body: ByteReader,
}

impl Sandbox {
    /// A request to an absolute URL of http or https.
    pub fn request(&self, method: impl Into<String>, url: impl Into<String>) -> Request<'_> {
        let request =
            host::Request { method: method.into(), url: url.into(), headers: Vec::new(), timeout: None };
        Request { sandbox: self, request, body: None }
    }
}

impl Request<'_> {
    /// One more header.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.request.headers.push((name.into(), value.into()));
        self
    }

    /// The body to send.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// How long until the answer's head must be there.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.request.timeout = Some(nanoseconds(timeout));
        self
    }

    /// Sends it; comes back when the answer's head is there.
    pub async fn send(self) -> Result<Response> {
        let body = self.body.map(|bytes| {
            let (mut writer, reader) = ByteWriter::pair();
            wit_bindgen::spawn_local(async move {
                // A server may answer before it has read everything.
                let _ = writer.write(bytes).await;
            });
            reader
        });
        let response = host::send(&self.sandbox.handle, &self.request, body).await?;
        let body = ByteReader::new((response.body, response.end));
        Ok(Response { status: response.status, headers: response.headers, body })
    }
}
