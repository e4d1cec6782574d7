/* Counts the ways to put 12 queens on a board so that none attacks another. */
#include <stdio.h>

enum { SIZE = 12 };

static long place(unsigned columns, unsigned left, unsigned right) {
    const unsigned all = (1u << SIZE) - 1;
    if (columns == all)
        return 1;
    long ways = 0;
    for (unsigned free = all & ~(columns | left | right); free != 0; free &= free - 1) {
        unsigned queen = free & -free;
        ways += place(columns | queen, (left | queen) << 1, (right | queen) >> 1);
    }
    return ways;
}

int main(void) {
    printf("%ld ways to place %d queens\n", place(0, 0, 0), SIZE);
    return 0;
}
