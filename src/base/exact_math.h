// Elementary functions built only from IEEE operations (+ - × ÷ √ fma), so that every machine gets
// the same bits. The C library's versions are chosen by CPU and differ between releases.
#ifndef MOIETY_BASE_EXACT_MATH_H_
#define MOIETY_BASE_EXACT_MATH_H_

namespace moiety {

// e^x in f32, relative error below 1.2e-7 (about 1 ulp). 0 below -87.336, +inf above 88.722, NaN
// for NaN. The vector kernels repeat these operations lane by lane.
float Exp(float x);

// In f64, relative error below 1e-15 (Sin and Cos: absolute, for |x| up to 10^6; Pow: below 5e-15
// while |exponent · ln base| < 17).
double ExactExp(double x);
double ExactLog(double x);  // x > 0, normal
double ExactSin(double x);
double ExactCos(double x);
// Odd; 1 from 20 on. The error is below 2e-16, not relative: near 0 it is that of 1 - e^-2x.
double ExactTanh(double x);
// The normal distribution: φ(x) = e^(-x²/2) / √2π and Φ(x), its integral up to x. The error of Φ is
// below 2e-15, not relative.
double ExactNormalDensity(double x);
double ExactNormalCdf(double x);
inline double ExactPow(double base, double exponent) { return ExactExp(exponent * ExactLog(base)); }

// Constants of Exp(), shared with the vector kernels.
namespace exp_constants {
inline constexpr float kMin = -87.33654F;
inline constexpr float kMax = 88.72283F;
inline constexpr float kLog2E = 1.44269504088896341F;
inline constexpr float kRound =
    12582912.0F;  // 1.5 * 2^23: adding and subtracting rounds to integers
inline constexpr float kLn2High = 0.693359375F;
inline constexpr float kLn2Low = -2.12194440e-4F;
// Minimax polynomial of e^r on |r| ≤ ln(2)/2, highest power first (Cephes expf).
inline constexpr float kC[6] = {1.9875691500e-4F, 1.3981999507e-3F, 8.3334519073e-3F,
                                4.1665795894e-2F, 1.6666665459e-1F, 5.0000001201e-1F};
}  // namespace exp_constants

// gelu with tanh (Hendrycks, Gimpel 2016) is g · σ(g · (kLinear + kCubic · g²)): ½(1 + tanh(u)) is
// σ(2u), and u = √(2/π) · (g + 0.044715 g³).
namespace gelu_constants {
inline constexpr float kLinear = 1.59576912160573071176F;  // 2√(2/π)
inline constexpr float kCubic = 0.07135481627260025F;      // 0.044715 · kLinear
}  // namespace gelu_constants

}  // namespace moiety

#endif  // MOIETY_BASE_EXACT_MATH_H_
