# Waits for nothing.
$| = 1;
print "good night\n";
sleep while 1;
