# Writes for ever, as fast as anybody reads.
exec yes "What, will the line stretch out to the crack of doom?"
