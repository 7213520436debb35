// Every format as a type; see codes.h.
#ifndef MOIETY_QUANT_ALL_FORMATS_H_
#define MOIETY_QUANT_ALL_FORMATS_H_

#include "quant/iq4_nl.h"
#include "quant/iq4_xs.h"
#include "quant/mxfp4.h"
#include "quant/q2_k.h"
#include "quant/q3_k.h"
#include "quant/q4_0.h"
#include "quant/q4_1.h"
#include "quant/q4_k.h"
#include "quant/q5_0.h"
#include "quant/q5_1.h"
#include "quant/q5_k.h"
#include "quant/q6_k.h"
#include "quant/q8_0.h"

namespace moiety {

// Calls visitor(F()) for the format F of `type`; nothing for a type without blocks.
template <class Visitor>
MOIETY_INLINE void VisitFormat(DType type, const Visitor& visitor) {
  switch (type) {
    case DType::kQ4_0:
      return visitor(Q4_0());
    case DType::kQ4_1:
      return visitor(Q4_1());
    case DType::kQ5_0:
      return visitor(Q5_0());
    case DType::kQ5_1:
      return visitor(Q5_1());
    case DType::kQ8_0:
      return visitor(Q8_0());
    case DType::kQ2_K:
      return visitor(Q2_K());
    case DType::kQ3_K:
      return visitor(Q3_K());
    case DType::kQ4_K:
      return visitor(Q4_K());
    case DType::kQ5_K:
      return visitor(Q5_K());
    case DType::kQ6_K:
      return visitor(Q6_K());
    case DType::kIQ4_NL:
      return visitor(IQ4_NL());
    case DType::kIQ4_XS:
      return visitor(IQ4_XS());
    case DType::kMXFP4:
      return visitor(MXFP4());
    default:
      return;
  }
}

}  // namespace moiety

#endif  // MOIETY_QUANT_ALL_FORMATS_H_
