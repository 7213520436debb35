#include "io/thread_reader.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <condition_variable>
#include <mutex>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "base/format.h"

namespace moiety {
namespace {

// They wait for the disk nearly always: what counts is how much it has to do at once.
constexpr int kReadThreads = 16;

class ThreadReader : public RangeReader {
 public:
  explicit ThreadReader(std::unique_ptr<const ReadFiles> files)
      : files_(std::move(files)),
        pieces_(*files_),
        name_(Format("{} threads, {}", kReadThreads, files_->direct() ? "direct" : "page cache")) {}

  ~ThreadReader() override {
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
    }
    work_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

  // Throws std::system_error without a thread to spare.
  void Start() {
    for (int i = 0; i < kReadThreads; ++i) threads_.emplace_back([this] { ReadLoop(); });
  }

  std::string_view name() const override { return name_; }

  void Submit(const RangeRead& read) override {
    {
      const std::lock_guard lock(mutex_);
      pieces_.Add(read);
    }
    work_.notify_all();
  }

  void Collect(bool wait, std::vector<RangeDone>& done) override {
    std::unique_lock lock(mutex_);
    if (wait) {
      ended_.wait(lock, [this] { return pieces_.HasDone() || pieces_.num_pending() == 0; });
    }
    pieces_.TakeDone(done);
  }

  int64_t num_pending() const override {
    const std::lock_guard lock(mutex_);
    return pieces_.num_pending();
  }

 private:
  void ReadLoop() {
    std::unique_lock lock(mutex_);
    while (true) {
      work_.wait(lock, [this] { return stop_ || pieces_.HasNext(); });
      if (stop_) return;
      const ReadPiece piece = pieces_.TakeNext();
      lock.unlock();
      const int fd = files_->fd(piece.file);
      const auto offset = static_cast<off_t>(piece.offset);
      int64_t returned = pread(fd, piece.to, piece.bytes, offset);
      if (returned < 0) returned = -errno;
      // Weights are cached by whoever asked for them; twice would be once too often.
      if (!files_->direct()) {
        posix_fadvise(fd, offset, static_cast<off_t>(piece.bytes), POSIX_FADV_DONTNEED);
      }
      lock.lock();
      pieces_.Finish(piece, returned);
      if (pieces_.HasDone()) ended_.notify_one();
    }
  }

  std::unique_ptr<const ReadFiles> files_;
  mutable std::mutex mutex_;
  std::condition_variable work_;
  std::condition_variable ended_;
  ReadPieces pieces_;
  bool stop_ = false;
  std::string name_;
  std::vector<std::thread> threads_;
};

}  // namespace

Result<std::unique_ptr<RangeReader>> OpenThreadReader(std::unique_ptr<const ReadFiles> files) {
  auto reader = std::make_unique<ThreadReader>(std::move(files));
  try {
    reader->Start();
  } catch (const std::system_error&) {
    return ResourceExhausted(Format("the system cannot start {} threads to read", kReadThreads));
  }
  return std::unique_ptr<RangeReader>(std::move(reader));
}

}  // namespace moiety
