r"""The exponential that every part of lowbit computes alike: float32, each operation rounded once.

With x clamped to [LOWEST, HIGHEST],

    n = rint(x / ln 2),  r = (x - n c_1) - n c_2,  c_1 + c_2 = ln 2,                          (1)
    e^x = (((p_5(r) r^2) + r) + 1) 2^n,                                                       (2)

p_5 a polynomial in Horner's form, highest power first; below LOWEST the result is 0. n c_1 is
exact, so that r is good to the last bit. The coefficients are those of Moshier's Cephes (expf);
the result is within 1.5 units in the last place. No library's exp agrees with another's in every
bit: this one is a definition, which torch, NumPy and a kernel can follow. Pure Python.
"""

LOWEST, HIGHEST = -86.0, 88.0
LOG2_E = 1.44269504088896341
C1, C2 = 0.693359375, -2.12194440e-4
POLYNOMIAL = (
    *(1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3),
    *(4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1),
)
