# Takes memory, a mebibyte at a time, and never gives any back.
use strict;
use warnings;

my @taken;
push @taken, "x" x (1 << 20) while @taken < 1024;
print "ESCAPED: ", scalar(@taken), " MiB taken\n";
exit 66;
