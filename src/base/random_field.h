// RandomField: random numbers that are functions of where they are used. A draw depends on the
// seed, the step of training, what it is for, and its place in the batch; not on threads, on the
// order of draws, or on how a batch was cut.
#ifndef MOIETY_BASE_RANDOM_FIELD_H_
#define MOIETY_BASE_RANDOM_FIELD_H_

#include <cstdint>

namespace moiety {

class RandomField {
 public:
  // `use` numbers what the draws are for, `layer` the layer they are for.
  RandomField(uint64_t seed, int64_t step, uint32_t use, int64_t layer);

  // Number `index` of the token at `position` of sequence `sequence`, uniform in [0, 1).
  double Uniform(int64_t sequence, int64_t position, int64_t index) const;
  // The same, standard normal (Box, Muller 1958).
  double Normal(int64_t sequence, int64_t position, int64_t index) const;

 private:
  uint64_t key_;
};

}  // namespace moiety

#endif  // MOIETY_BASE_RANDOM_FIELD_H_
