# Conway's game of life from the R-pentomino, which settles after 1103 generations.
use strict;
use warnings;

my %alive = map { $_ => 1 } ("1,0", "2,0", "0,1", "1,1", "1,2");
for my $generation (1 .. 1103) {
    my %neighbours;
    for my $cell (keys %alive) {
        my ($x, $y) = split /,/, $cell;
        for my $dx (-1 .. 1) {
            for my $dy (-1 .. 1) {
                $neighbours{($x + $dx) . "," . ($y + $dy)}++ if $dx || $dy;
            }
        }
    }
    %alive = map { $_ => 1 }
        grep { $neighbours{$_} == 3 || ($neighbours{$_} == 2 && $alive{$_}) } keys %neighbours;
}
print scalar(keys %alive), " cells live on\n";
