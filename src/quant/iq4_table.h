// The 16 values of IQ4_NL and IQ4_XS: close together around 0, where weights are most often.
#ifndef MOIETY_QUANT_IQ4_TABLE_H_
#define MOIETY_QUANT_IQ4_TABLE_H_

#include <array>
#include <cstddef>
#include <cstdint>

namespace moiety {

inline constexpr std::array<int16_t, 16> kIq4Table = {-127, -104, -83, -65, -49, -35, -22, -10,
                                                      1,    13,   25,  38,  53,  69,  89,  113};
// The same as codes with an offset of 128; not an array of the library, as kernels read it.
struct Iq4Codes {
  uint8_t of[16];
};
inline constexpr Iq4Codes kIq4Codes = [] {
  Iq4Codes codes = {};
  for (size_t i = 0; i < 16; ++i) codes.of[i] = static_cast<uint8_t>(kIq4Table[i] + 128);
  return codes;
}();

}  // namespace moiety

#endif  // MOIETY_QUANT_IQ4_TABLE_H_
