/* Counts primes with the sieve of Eratosthenes. */
#include <stdio.h>
#include <stdlib.h>

enum { LIMIT = 10000000 };

int main(void) {
    char *composite = calloc(LIMIT, 1);
    if (composite == NULL)
        return 1;
    int primes = 0;
    for (long n = 2; n < LIMIT; n++) {
        if (composite[n])
            continue;
        primes++;
        for (long multiple = n * n; multiple < LIMIT; multiple += n)
            composite[multiple] = 1;
    }
    printf("%d primes below %d\n", primes, LIMIT);
    free(composite);
    return 0;
}
