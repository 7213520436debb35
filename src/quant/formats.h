// The block formats, one per file; see BlockFormats().
#ifndef MOIETY_QUANT_FORMATS_H_
#define MOIETY_QUANT_FORMATS_H_

#include "quant/block_format.h"

namespace moiety {

// 32 values and one scale, or a scale and a minimum.
extern const BlockFormat kFormatQ4_0;
extern const BlockFormat kFormatQ4_1;
extern const BlockFormat kFormatQ5_0;
extern const BlockFormat kFormatQ5_1;
extern const BlockFormat kFormatQ8_0;
// 256 values; parts of 16 or 32 have a scale (and a minimum) of a few bits, in units of the
// block's.
extern const BlockFormat kFormatQ2K;
extern const BlockFormat kFormatQ3K;
extern const BlockFormat kFormatQ4K;
extern const BlockFormat kFormatQ5K;
extern const BlockFormat kFormatQ6K;
// 4 bits that choose from 16 values which do not lie evenly.
extern const BlockFormat kFormatIq4Nl;  // 32
extern const BlockFormat kFormatIq4Xs;  // 256
extern const BlockFormat kFormatMxfp4;  // 32; Open Compute Project, Microscaling Formats 1.0

}  // namespace moiety

#endif  // MOIETY_QUANT_FORMATS_H_
