// Normalizers that work on characters by their Unicode properties: NFC, NFD, NFKC, NFKD, Lowercase,
// Strip, StripAccents, Nmt.
#ifndef MOIETY_TOKENIZE_UNICODE_NORMALIZERS_H_
#define MOIETY_TOKENIZE_UNICODE_NORMALIZERS_H_

#include "tokenize/normalizer.h"

namespace moiety {

using NormalizerResult = Result<std::unique_ptr<const Normalizer>>;

NormalizerResult MakeNfc(const Component& component);
NormalizerResult MakeNfd(const Component& component);
NormalizerResult MakeNfkc(const Component& component);
NormalizerResult MakeNfkd(const Component& component);
NormalizerResult MakeLowercase(const Component& component);
// White space at the ends: "strip_left", "strip_right".
NormalizerResult MakeStrip(const Component& component);
// Leaves combining marks out (after NFD: the accents).
NormalizerResult MakeStripAccents(const Component& component);
// Control characters go, separators and invisible characters become spaces (sentencepiece's "nmt").
NormalizerResult MakeNmt(const Component& component);

}  // namespace moiety

#endif  // MOIETY_TOKENIZE_UNICODE_NORMALIZERS_H_
