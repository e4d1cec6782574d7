# Harmless, but the policy lists no awk: it is refused before anything starts.
BEGIN { print "ESCAPED: it ran"; exit 66 }
