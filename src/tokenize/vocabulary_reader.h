// Reads the vocabulary of a model that lists it as {"piece": id, …}.
#ifndef MOIETY_TOKENIZE_VOCABULARY_READER_H_
#define MOIETY_TOKENIZE_VOCABULARY_READER_H_

#include <cstdint>
#include <string>

#include "moiety/status.h"
#include "tokenize/component.h"
#include "tokenize/vocabulary.h"

namespace moiety {

// From the field "vocab", which must be there.
Result<Vocabulary> ReadVocabulary(const Component& component);

// The id of the token that the field "unk_token" names; it must be in the vocabulary.
Result<int32_t> ReadUnknownToken(const Component& component, const Vocabulary& vocabulary);

}  // namespace moiety

#endif  // MOIETY_TOKENIZE_VOCABULARY_READER_H_
