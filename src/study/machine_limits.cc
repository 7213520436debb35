#include "study/machine_limits.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <vector>

#include "base/format.h"
#include "base/system_memory.h"
#include "kernels/kernels.h"

namespace moiety {
namespace {

using Clock = std::chrono::steady_clock;

// Passes go on for this long, and there are a few at least. They are short, so that some of them
// are not disturbed even on a busy machine.
constexpr int kMinPasses = 5;
constexpr double kMinSeconds = 0.2;
constexpr uint64_t kMinReadBytes = uint64_t{1} << 20;
// A pass takes about a millisecond, however small the memory: threads need time to get going.
constexpr uint64_t kMinPassBytes = uint64_t{64} << 20;
constexpr uint64_t kUnitBytes = kReadBlock * sizeof(float);
// Parts of large memory are taken by whichever thread is free; those of what may fit a cache stay
// with one thread.
constexpr uint64_t kPartBytes = uint64_t{16} << 20;

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// The least seconds that a pass took.
template <class Pass>
double BestOf(const Pass& pass) {
  const Clock::time_point begin = Clock::now();
  double best = std::numeric_limits<double>::infinity();
  for (int i = 0; i < kMinPasses || SecondsSince(begin) < kMinSeconds; ++i) {
    const Clock::time_point start = Clock::now();
    pass();
    best = std::min(best, SecondsSince(start));
  }
  return best;
}

}  // namespace

Result<MachineLimits> MachineLimits::Create(Context& context, Product product,
                                            uint64_t mapped_bytes, uint64_t max_bytes) {
  MachineLimits limits(context, product);
  MOIETY_ASSIGN_OR_RETURN(limits.multiply_loops_, LimitLoopsOf(context.kernels.isa, product));
  MOIETY_ASSIGN_OR_RETURN(limits.read_loops_, LimitLoopsOf(AvailableKernels().back()->isa));
  const uint64_t available = AvailableMemoryBytes();
  const uint64_t left = available - std::min(available, mapped_bytes);
  const uint64_t in_budget = context.budget.limit_bytes() - context.budget.used_bytes();
  const uint64_t bytes =
      std::min({max_bytes, in_budget / 2, available == 0 ? kReadBytes : left / 2});
  limits.read_bytes_ = std::max(kMinReadBytes, bytes / kUnitBytes * kUnitBytes);
  if (max_bytes < kReadBytes) {
    MOIETY_ASSIGN_OR_RETURN(limits.reservation_,
                            context.budget.Reserve(MemoryUse::kBuffers, limits.read_bytes_));
  }
  limits.memory_ = AllocateAligned(limits.read_bytes_);
  if (limits.memory_ == nullptr) {
    return ResourceExhausted(
        Format("out of memory: no {} to measure reading with", FormatBytes(limits.read_bytes_)));
  }
  // Memory that was never written is one page of zeros.
  const auto parts = static_cast<int64_t>((limits.read_bytes_ + kPartBytes - 1) / kPartBytes);
  context.pool.ParallelFor(parts, [&](int64_t part) {
    const uint64_t begin = static_cast<uint64_t>(part) * kPartBytes;
    auto* values = reinterpret_cast<float*>(limits.memory_.get() + begin);
    std::fill_n(values, std::min(kPartBytes, limits.read_bytes_ - begin) / sizeof(float), 1.0F);
  });
  limits.read_bytes_per_s_ = limits.MeasureReading(limits.read_bytes_);
  limits.flops_per_s_ = limits.MeasureMultiplying();
  return limits;
}

double MachineLimits::ReadLimit(uint64_t bytes) {
  const uint64_t units = std::clamp<uint64_t>(bytes / kUnitBytes, 1, read_bytes_ / kUnitBytes);
  const double limit = MeasureReading(units * kUnitBytes);
  if (units * kUnitBytes == read_bytes_) read_bytes_per_s_ = std::max(read_bytes_per_s_, limit);
  return limit;
}

double MachineLimits::MultiplyLimit() {
  const double limit = MeasureMultiplying();
  flops_per_s_ = std::max(flops_per_s_, limit);
  return limit;
}

double MachineLimits::MeasureReading(uint64_t bytes) {
  ThreadPool& pool = context_->pool;
  const uint64_t units = bytes / kUnitBytes;
  const uint64_t repeats = std::max<uint64_t>(1, kMinPassBytes / bytes);
  const auto threads = static_cast<uint64_t>(pool.num_threads());
  // With repeats, each thread reads its own part again and again.
  const uint64_t parts =
      repeats > 1 ? std::min(threads, units) : std::max(threads, bytes / kPartBytes);
  std::vector<float> sums(parts);  // what was read must be used
  const double seconds = BestOf([&] {
    pool.ParallelFor(static_cast<int64_t>(parts), [&](int64_t task) {
      const auto part = static_cast<uint64_t>(task);
      const uint64_t begin = units * part / parts;
      const uint64_t end = units * (part + 1) / parts;
      const auto* x = reinterpret_cast<const float*>(memory_.get() + begin * kUnitBytes);
      for (uint64_t i = 0; i < repeats; ++i) {
        sums[part] += read_loops_->read(x, static_cast<int64_t>(end - begin) * kReadBlock);
      }
    });
  });
  return static_cast<double>(units * kUnitBytes * repeats) / seconds;
}

double MachineLimits::MeasureMultiplying() {
  ThreadPool& pool = context_->pool;
  const int threads = pool.num_threads();
  std::vector<float> sums(static_cast<size_t>(threads));
  int64_t blocks = 1000;
  const auto pass = [&] {
    pool.ParallelFor(threads, [&](int64_t task) {
      sums[static_cast<size_t>(task)] += multiply_loops_->multiply_add(blocks);
    });
  };
  // As many blocks as take about a millisecond, which depends on the instruction set by two orders.
  constexpr double kPassSeconds = 0.001;
  for (Clock::time_point start = Clock::now(); pass(), SecondsSince(start) < kPassSeconds;
       start = Clock::now()) {
    blocks *= 2;
  }
  const auto flops = static_cast<double>(blocks * multiply_loops_->flops_per_block * threads);
  return flops / BestOf(pass);
}

}  // namespace moiety
