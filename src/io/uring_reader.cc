#include "io/uring_reader.h"

#include <liburing.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "base/format.h"

namespace moiety {
namespace {

// Pieces under way at once: enough for the disk while a layer computes.
constexpr unsigned kUringDepth = 128;

class UringReader : public RangeReader {
 public:
  explicit UringReader(std::unique_ptr<const ReadFiles> files)
      : files_(std::move(files)), pieces_(*files_), in_flight_(kUringDepth) {
    name_ = Format("io_uring, {}", files_->direct() ? "direct" : "page cache");
    for (size_t i = 0; i < in_flight_.size(); ++i) free_.push_back(i);
  }

  ~UringReader() override {
    if (!open_) return;
    stop_ = true;
    while (free_.size() < in_flight_.size()) TakeCompletions(true);
    io_uring_queue_exit(&ring_);
  }

  Status Open() {
    const int error = io_uring_queue_init(kUringDepth, &ring_, 0);
    if (error < 0) {
      return Unsupported(Format("io_uring is not to be had here: {}", std::strerror(-error)));
    }
    open_ = true;
    io_uring_probe* const probe = io_uring_get_probe_ring(&ring_);
    const bool reads = probe != nullptr && io_uring_opcode_supported(probe, IORING_OP_READ) != 0;
    if (probe != nullptr) io_uring_free_probe(probe);
    return reads ? OkStatus() : Unsupported("io_uring of this system cannot read (Linux 5.6 can)");
  }

  std::string_view name() const override { return name_; }

  void Submit(const RangeRead& read) override {
    pieces_.Add(read);
    Start();
  }

  void Collect(bool wait, std::vector<RangeDone>& done) override {
    TakeCompletions(false);
    while (wait && !pieces_.HasDone() && pieces_.num_pending() > 0) TakeCompletions(true);
    pieces_.TakeDone(done);
  }

  int64_t num_pending() const override { return pieces_.num_pending(); }

 private:
  // Gives the system as many pieces as it takes.
  void Start() {
    while (!stop_ && pieces_.HasNext() && !free_.empty()) {
      io_uring_sqe* const entry = io_uring_get_sqe(&ring_);
      if (entry == nullptr) break;
      const size_t at = free_.back();
      free_.pop_back();
      const ReadPiece& piece = in_flight_[at] = pieces_.TakeNext();
      io_uring_prep_read(entry, files_->fd(piece.file), piece.to,
                         static_cast<unsigned>(piece.bytes), piece.offset);
      io_uring_sqe_set_data64(entry, at);
      ++unsubmitted_;
    }
    Flush();
  }

  // What the system does not take now stays in the ring for the next time.
  void Flush() {
    if (unsubmitted_ == 0) return;
    const int taken = io_uring_submit(&ring_);
    if (taken > 0) unsubmitted_ -= std::min(unsubmitted_, static_cast<unsigned>(taken));
  }

  void TakeCompletions(bool wait) {
    Start();
    io_uring_cqe* entry = nullptr;
    if (wait && free_.size() < in_flight_.size()) {
      io_uring_submit_and_wait(&ring_, 1);
      unsubmitted_ = io_uring_sq_ready(&ring_);
    }
    while (io_uring_peek_cqe(&ring_, &entry) == 0) {
      const auto at = static_cast<size_t>(io_uring_cqe_get_data64(entry));
      const int64_t returned = entry->res;
      io_uring_cqe_seen(&ring_, entry);
      free_.push_back(at);
      pieces_.Finish(in_flight_[at], returned);
    }
    Start();
  }

  std::unique_ptr<const ReadFiles> files_;
  ReadPieces pieces_;
  std::string name_;
  io_uring ring_ = {};
  bool open_ = false;
  bool stop_ = false;
  unsigned unsubmitted_ = 0;          // entries of the ring that the system has not taken
  std::vector<ReadPiece> in_flight_;  // by what their entries carry
  std::vector<size_t> free_;          // places of it
};

}  // namespace

Result<std::unique_ptr<RangeReader>> OpenUringReader(std::unique_ptr<const ReadFiles> files) {
  auto reader = std::make_unique<UringReader>(std::move(files));
  MOIETY_RETURN_IF_ERROR(reader->Open());
  return std::unique_ptr<RangeReader>(std::move(reader));
}

}  // namespace moiety
