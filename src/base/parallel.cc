#include "base/parallel.h"

#include <sched.h>

#include <algorithm>
#include <cstdio>

#include "base/check.h"

namespace moiety {
namespace {

// How often an idle thread looks before it sleeps: some tens of microseconds.
constexpr int kSpins = 4000;

void Pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

thread_local bool inside_task = false;

// cgroup v2: "max 100000" or "150000 100000" (microseconds per period).
int CgroupCpus() {
  int cpus = INT32_MAX;
  if (std::FILE* file = std::fopen("/sys/fs/cgroup/cpu.max", "re")) {
    long long quota = 0;
    long long period = 0;
    if (std::fscanf(file, "%lld %lld", &quota, &period) == 2 && quota > 0 && period > 0) {
      cpus = static_cast<int>(std::max<long long>(1, (quota + period - 1) / period));
    }
    std::fclose(file);
  }
  return cpus;
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
  workers_.reserve(static_cast<size_t>(num_threads - 1));
  for (int i = 1; i < num_threads; ++i) workers_.emplace_back([this] { WorkerLoop(); });
}

ThreadPool::~ThreadPool() {
  stop_.store(true);
  loop_.fetch_add(1);
  loop_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::Run(int64_t num_tasks, TaskFunction function, const void* context) {
  MOIETY_CHECK(num_tasks >= 0 && num_tasks <= static_cast<int64_t>(UINT32_MAX));
  if (num_tasks <= 1 || workers_.empty() || inside_task) {
    for (int64_t i = 0; i < num_tasks; ++i) function(context, i);
    return;
  }
  // No task of the loop before is left, so nobody succeeds in taking one while these change.
  function_.store(function, std::memory_order_relaxed);
  context_.store(context, std::memory_order_relaxed);
  num_tasks_.store(static_cast<uint32_t>(num_tasks), std::memory_order_relaxed);
  done_.store(0, std::memory_order_relaxed);
  const uint32_t loop = loop_.load(std::memory_order_relaxed) + 1;
  left_.store((static_cast<uint64_t>(loop) << 32) | static_cast<uint32_t>(num_tasks));
  loop_.store(loop);
  if (sleeping_.load() > 0) loop_.notify_all();

  while (RunOneTask()) {
  }
  while (done_.load(std::memory_order_acquire) != static_cast<uint32_t>(num_tasks)) Pause();
}

bool ThreadPool::RunOneTask() {
  uint64_t left = left_.load(std::memory_order_acquire);
  while (true) {
    const auto tasks_left = static_cast<uint32_t>(left);
    if (tasks_left == 0) return false;
    const TaskFunction function = function_.load(std::memory_order_relaxed);
    const void* context = context_.load(std::memory_order_relaxed);
    const uint32_t num_tasks = num_tasks_.load(std::memory_order_relaxed);
    // Succeeds only if the loop is still the one that the fields above were read for.
    if (left_.compare_exchange_weak(left, left - 1, std::memory_order_acq_rel,
                                    std::memory_order_acquire)) {
      inside_task = true;
      function(context, num_tasks - tasks_left);
      inside_task = false;
      done_.fetch_add(1, std::memory_order_release);
      return true;
    }
  }
}

void ThreadPool::WorkerLoop() {
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
    while (RunOneTask()) {
    }
  }
}

}  // namespace moiety
