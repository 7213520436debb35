// Shapes: row-major, last index contiguous, as in PyTorch.
#ifndef MOIETY_TENSOR_SHAPE_H_
#define MOIETY_TENSOR_SHAPE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace moiety {

using Shape = std::vector<int64_t>;

// Product of the dimensions; nullopt if one is negative or the product does not fit in 63 bits.
inline std::optional<int64_t> NumElements(const Shape& shape) {
  int64_t product = 1;
  for (const int64_t dim : shape) {
    if (dim < 0 || __builtin_mul_overflow(product, dim, &product)) return std::nullopt;
  }
  return product;
}

// "[4096, 192]"
inline std::string ShapeString(const Shape& shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) {
    if (i > 0) text += ", ";
    text += std::to_string(shape[i]);
  }
  return text + "]";
}

}  // namespace moiety

#endif  // MOIETY_TENSOR_SHAPE_H_
