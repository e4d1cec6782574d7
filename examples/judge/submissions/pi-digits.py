"""A thousand decimals of pi by Machin's formula, in whole numbers."""


def arctangent_of_inverse(n, unit):
    term = total = unit // n
    divisor, sign = 3, -1
    while term:
        term //= n * n
        total += sign * (term // divisor)
        divisor, sign = divisor + 2, -sign
    return total


unit = 10**1010
pi = 4 * (4 * arctangent_of_inverse(5, unit) - arctangent_of_inverse(239, unit)) // 10**10
print("the last of 1000 decimals are", str(pi)[-10:])
