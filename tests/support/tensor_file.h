// TensorFile: the values of a safetensors file, for comparing.
#ifndef MOIETY_TESTS_SUPPORT_TENSOR_FILE_H_
#define MOIETY_TESTS_SUPPORT_TENSOR_FILE_H_

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "format/safetensors.h"
#include "io/mapped_file.h"
#include "tensor/dtype.h"

namespace moiety {

// Whatever is wrong (no such file, no such tensor, another type) fails the test and reads as empty.
class TensorFile {
 public:
  explicit TensorFile(const std::filesystem::path& path) : path_(path) {
    auto file = MappedFile::Open(path);
    if (!file.ok()) {
      ADD_FAILURE() << file.status().message();
      return;
    }
    file_ = *std::move(file);
    auto header = ParseSafetensorsHeader(file_->bytes(), path.string());
    if (!header.ok()) {
      ADD_FAILURE() << header.status().message();
      return;
    }
    header_ = *std::move(header);
  }

  bool Has(const std::string& name) const { return header_.tensors.contains(name); }
  size_t size() const { return header_.tensors.size(); }
  Shape ShapeOf(const std::string& name) const {
    const TensorInfo* info = Find(name);
    return info == nullptr ? Shape{} : info->shape;
  }
  std::vector<float> Floats(const std::string& name) const {
    return Values<float>(name, DType::kF32);
  }
  std::vector<int32_t> Ints(const std::string& name) const {
    return Values<int32_t>(name, DType::kI32);
  }
  std::vector<int64_t> Longs(const std::string& name) const {
    return Values<int64_t>(name, DType::kI64);
  }
  std::vector<std::byte> Bytes(const std::string& name) const {
    return Values<std::byte>(name, DType::kU8);
  }

 private:
  const TensorInfo* Find(const std::string& name) const {
    const auto it = header_.tensors.find(name);
    if (it != header_.tensors.end()) return &it->second;
    ADD_FAILURE() << path_ << " has no tensor " << name;
    return nullptr;
  }
  template <class T>
  std::vector<T> Values(const std::string& name, DType dtype) const {
    const TensorInfo* info = Find(name);
    if (info == nullptr) return {};
    if (info->dtype != dtype) {
      ADD_FAILURE() << path_ << ": " << name << " is " << DTypeName(info->dtype);
      return {};
    }
    std::vector<T> values(info->size_bytes / sizeof(T));
    if (values.empty()) return values;
    std::memcpy(values.data(), file_->bytes().data() + info->offset, info->size_bytes);
    return values;
  }

  std::filesystem::path path_;
  std::shared_ptr<const MappedFile> file_;
  SafetensorsHeader header_;
};

}  // namespace moiety

#endif  // MOIETY_TESTS_SUPPORT_TENSOR_FILE_H_
