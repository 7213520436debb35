// Any bytes as a GGUF file. What the reader accepts must keep its promise: values and tensors that
// lie inside the file, tensors with the bytes of their shape and none over another. A tokenizer in
// its metadata is built and used.
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/check.h"
#include "base/utf8.h"
#include "format/gguf.h"
#include "format/gguf_tokenizer.h"
#include "tokenize/tokenizer.h"

namespace moiety {
namespace {

void ReadAll(const GgufValue& value) {
  const auto strings = value.Strings();
  MOIETY_CHECK(!strings.has_value() || strings->size() == value.count);
  const auto integers = value.Integers();
  MOIETY_CHECK(!integers.has_value() || integers->size() == value.count);
  const auto numbers = value.Numbers();
  MOIETY_CHECK(!integers.has_value() || numbers.has_value());
  MOIETY_CHECK(!value.Integer().has_value() || value.Number().has_value());
  MOIETY_CHECK(!value.Bool().has_value() || !value.Number().has_value());
  size_t sum = 0;
  if (const auto text = value.String()) {
    for (const char c : *text) sum += static_cast<uint8_t>(c);
  }
  MOIETY_CHECK(sum < SIZE_MAX);
}

void CheckMessage(const Status& status) {
  MOIETY_CHECK(!status.message().empty() && IsUtf8(status.message()));
}

void BuildTokenizer(const GgufHeader& header) {
  const auto read = ReadGgufTokenizer(header, "input");
  if (!read.ok()) return CheckMessage(read.status());
  MOIETY_CHECK(!read->config.dump().empty());  // all of it is UTF-8
  const auto tokenizer = Tokenizer::FromDocument(read->document, "input");
  if (!tokenizer.ok()) return CheckMessage(tokenizer.status());
  const auto size = (*tokenizer)->vocab_size();
  for (const int32_t id : read->stop_ids) MOIETY_CHECK(id >= 0 && id < size);
  const auto ids = (*tokenizer)->Encode("The quick  brown f\xFFx,\n 1234 <s>\u00e9\u65e5</s>");
  if (!ids.ok()) return CheckMessage(ids.status());
  for (const int32_t id : *ids) MOIETY_CHECK(id >= 0 && id < size);
  MOIETY_CHECK(IsUtf8((*tokenizer)->Decode(*ids, /*skip_special=*/false)));
}

void Run(std::span<const uint8_t> file) {
  const auto header = ParseGgufHeader(std::as_bytes(file), "input");
  if (!header.ok()) return CheckMessage(header.status());
  BuildTokenizer(*header);
  for (const auto& [key, value] : header->metadata) {
    MOIETY_CHECK(IsUtf8(key));
    ReadAll(value);
  }
  std::vector<bool> covered(file.size());
  for (const auto& [name, info] : header->tensors) {
    MOIETY_CHECK(info.offset <= file.size() && info.size_bytes <= file.size() - info.offset);
    const auto elements = NumElements(info.shape);
    MOIETY_CHECK(elements.has_value() && *elements > 0);
    MOIETY_CHECK(DTypeBytes(info.dtype, static_cast<uint64_t>(*elements)) == info.size_bytes);
    for (uint64_t i = info.offset; i < info.offset + info.size_bytes; ++i) {
      MOIETY_CHECK(!covered[i]);
      covered[i] = true;
    }
  }
}

}  // namespace
}  // namespace moiety

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  moiety::Run({data, size});
  return 0;
}
