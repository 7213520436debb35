// The 16 values of IQ4_NL and IQ4_XS: close together around 0, where weights are most often.
#ifndef MOIETY_QUANT_IQ4_TABLE_H_
#define MOIETY_QUANT_IQ4_TABLE_H_

#include <array>
#include <cstdint>

namespace moiety {

inline constexpr std::array<int16_t, 16> kIq4Table = {-127, -104, -83, -65, -49, -35, -22, -10,
                                                      1,    13,   25,  38,  53,  69,  89,  113};
// The same as codes with an offset of 128.
inline constexpr uint8_t kIq4Codes[16] = {1,   24,  45,  63,  79,  93,  106, 118,
                                          129, 141, 153, 166, 181, 197, 217, 241};

}  // namespace moiety

#endif  // MOIETY_QUANT_IQ4_TABLE_H_
