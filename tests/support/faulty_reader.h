// FaultyReader: a RangeReader whose reads fail when a test says so.
#ifndef MOIETY_TESTS_SUPPORT_FAULTY_READER_H_
#define MOIETY_TESTS_SUPPORT_FAULTY_READER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "io/range_reader.h"

namespace moiety {

class FaultyReader : public RangeReader {
 public:
  // What becomes of a read: an error instead of it, or ok.
  using Fault = std::function<Status(const RangeRead& read)>;
  FaultyReader(std::unique_ptr<RangeReader> reader, Fault fault)
      : reader_(std::move(reader)), fault_(std::move(fault)) {}

  std::string_view name() const override { return reader_->name(); }
  void Submit(const RangeRead& read) override {
    Status status = fault_(read);
    if (status.ok()) {
      reader_->Submit(read);
    } else {
      failed_.push_back({read.tag, std::move(status)});
    }
  }
  void Collect(bool wait, std::vector<RangeDone>& done) override {
    reader_->Collect(wait && failed_.empty(), done);
    for (RangeDone& d : failed_) done.push_back(std::move(d));
    failed_.clear();
  }
  int64_t num_pending() const override {
    return reader_->num_pending() + static_cast<int64_t>(failed_.size());
  }

 private:
  std::unique_ptr<RangeReader> reader_;
  Fault fault_;
  std::vector<RangeDone> failed_;
};

}  // namespace moiety

#endif  // MOIETY_TESTS_SUPPORT_FAULTY_READER_H_
