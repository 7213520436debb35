#include "base/parallel.h"

#include <sched.h>

#include <algorithm>
#include <fstream>
#include <string>
#include <system_error>

#include "base/check.h"

namespace moiety {
namespace {

// How often an idle thread looks before it sleeps: some tens of microseconds.
constexpr int kSpins = 4000;

// A thread takes one of this many shares per thread of the tasks that are left: many neighbours at
// first, so that what one task leaves in the caches serves the next one, and single ones in the
// end, so that all threads are done at the same time.
constexpr uint32_t kShares = 8;

void Pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

thread_local bool inside_task = false;

// CPUs that a cpu.max of cgroup v2 allows: "max 100000" or "150000 100000" (microseconds per
// period).
int QuotaOf(const std::string& folder) {
  std::ifstream file(folder + "/cpu.max");
  int64_t quota = 0;
  int64_t period = 0;
  if (!(file >> quota >> period) || quota <= 0 || period <= 0) return INT32_MAX;
  return static_cast<int>(std::max<int64_t>(1, (quota + period - 1) / period));
}

// The tightest quota of this process's cgroup and those around it.
int CgroupCpus() {
  std::ifstream membership("/proc/self/cgroup");
  std::string path;
  for (std::string line; std::getline(membership, line);) {
    if (line.rfind("0::", 0) == 0) path = line.substr(3);
  }
  int cpus = INT32_MAX;
  while (true) {
    cpus = std::min(cpus, QuotaOf("/sys/fs/cgroup" + path));
    if (path.empty()) return cpus;
    path.resize(path.rfind('/') == std::string::npos ? 0 : path.rfind('/'));
  }
}

}  // namespace

int UsableCpus() {
  cpu_set_t set;
  int cpus = static_cast<int>(std::thread::hardware_concurrency());
  if (sched_getaffinity(0, sizeof(set), &set) == 0) cpus = CPU_COUNT(&set);
  return std::max(1, std::min(cpus, CgroupCpus()));
}

ThreadPool::ThreadPool(int num_threads) {
  MOIETY_CHECK(num_threads >= 1);
  const auto count = static_cast<size_t>(num_threads);
  last_tasks_.resize(count);
  workers_.reserve(count - 1);
  try {
    for (size_t i = 1; i < count; ++i) workers_.emplace_back([this, i] { WorkerLoop(i); });
  } catch (const std::system_error&) {
    Stop();
    throw;
  }
}

ThreadPool::~ThreadPool() { Stop(); }

void ThreadPool::Stop() {
  stop_.store(true);
  loop_.fetch_add(1);
  loop_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::StartTiming() {
  times_ = {};
  timing_ = true;
}

LoopTimes ThreadPool::StopTiming() {
  timing_ = false;
  return times_;
}

void ThreadPool::CountLoop(uint32_t loop, Clock::time_point start) {
  const Clock::time_point end = Clock::now();
  Clock::duration wait{};
  for (const LastTask& last : last_tasks_) wait += end - (last.loop == loop ? last.end : start);
  ++times_.num_loops;
  times_.loop_seconds += std::chrono::duration<double>(end - start).count();
  times_.wait_seconds += std::chrono::duration<double>(wait).count();
}

// A loop of the driving thread only: the others wait from its start to its end, but for the loops
// inside it, which count themselves.
void ThreadPool::RunAlone(int64_t num_tasks, TaskFunction function, const void* context) {
  const bool timed = !inside_task && timing_ && num_tasks > 0;
  const Clock::time_point start = timed ? Clock::now() : Clock::time_point();
  const double before = times_.loop_seconds;
  for (int64_t i = 0; i < num_tasks; ++i) function(context, i);
  if (!timed) return;
  const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
  const double alone = seconds - (times_.loop_seconds - before);
  ++times_.num_loops;
  times_.loop_seconds += alone;
  times_.wait_seconds += alone * static_cast<double>(workers_.size());
}

void ThreadPool::Run(int64_t num_tasks, TaskFunction function, const void* context) {
  MOIETY_CHECK(num_tasks >= 0 && num_tasks <= static_cast<int64_t>(UINT32_MAX));
  if (num_tasks <= 1 || workers_.empty() || inside_task) {
    RunAlone(num_tasks, function, context);
    return;
  }
  const Clock::time_point start = timing_ ? Clock::now() : Clock::time_point();
  // No task of the loop before is left, so nobody succeeds in taking one while these change.
  function_.store(function, std::memory_order_relaxed);
  context_.store(context, std::memory_order_relaxed);
  num_tasks_.store(static_cast<uint32_t>(num_tasks), std::memory_order_relaxed);
  done_.store(0, std::memory_order_relaxed);
  const uint32_t loop = loop_.load(std::memory_order_relaxed) + 1;
  left_.store((static_cast<uint64_t>(loop) << 32) | static_cast<uint32_t>(num_tasks));
  loop_.store(loop);
  if (sleeping_.load() > 0) loop_.notify_all();

  while (RunOneTask(0)) {
  }
  for (int spin = 0; done_.load(std::memory_order_acquire) != static_cast<uint32_t>(num_tasks);
       ++spin) {
    if (spin < kSpins) {
      Pause();
    } else {
      std::this_thread::yield();  // whoever has the last task may need this processor
    }
  }
  if (timing_) CountLoop(loop, start);
}

bool ThreadPool::RunOneTask(size_t thread) {
  uint64_t left = left_.load(std::memory_order_acquire);
  while (true) {
    const auto tasks_left = static_cast<uint32_t>(left);
    if (tasks_left == 0) return false;
    const uint32_t taken =
        std::max(1U, tasks_left / (kShares * (static_cast<uint32_t>(workers_.size()) + 1)));
    const TaskFunction function = function_.load(std::memory_order_relaxed);
    const void* context = context_.load(std::memory_order_relaxed);
    const uint32_t num_tasks = num_tasks_.load(std::memory_order_relaxed);
    // Succeeds only if the loop is still the one that the fields above were read for.
    if (left_.compare_exchange_weak(left, left - taken, std::memory_order_acq_rel,
                                    std::memory_order_acquire)) {
      inside_task = true;
      const uint32_t first = num_tasks - tasks_left;
      for (uint32_t i = 0; i < taken; ++i) function(context, first + i);
      inside_task = false;
      if (timing_) last_tasks_[thread] = {static_cast<uint32_t>(left >> 32), Clock::now()};
      done_.fetch_add(taken, std::memory_order_release);
      return true;
    }
  }
}

void ThreadPool::WorkerLoop(size_t thread) {
  uint32_t seen = 0;
  while (true) {
    uint32_t loop = loop_.load(std::memory_order_acquire);
    for (int spin = 0; loop == seen && spin < kSpins; ++spin) {
      Pause();
      loop = loop_.load(std::memory_order_acquire);
    }
    if (loop == seen) {
      sleeping_.fetch_add(1);
      loop_.wait(seen);
      sleeping_.fetch_sub(1);
      continue;
    }
    if (stop_.load()) return;
    seen = loop;
    while (RunOneTask(thread)) {
    }
  }
}

}  // namespace moiety
