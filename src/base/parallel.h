// ThreadPool: the only place where moiety starts threads for computing.
#ifndef MOIETY_BASE_PARALLEL_H_
#define MOIETY_BASE_PARALLEL_H_

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <thread>
#include <type_traits>
#include <vector>

namespace moiety {

// Processors this process may use: the affinity mask, cut to the CPU quota of its cgroup. ≥ 1.
int UsableCpus();

// Where the time of a pool's threads went, from StartTiming() to StopTiming().
struct LoopTimes {
  int64_t num_loops = 0;
  double loop_seconds = 0;  // from the start to the end of each loop, on the driving thread
  // Summed over all threads: from the end of a thread's last task of a loop (the loop's start, if
  // it got none) to the end of that loop.
  double wait_seconds = 0;
};

// A fixed set of threads that run short loops together. Decoding has thousands of loops of a few
// microseconds per token, so idle threads spin for a moment before they sleep.
//
// One thread at a time drives the pool. Which thread runs which task is not fixed, so tasks must
// write to different places and must not split a reduction among them: that keeps results equal
// for any number of threads.
class ThreadPool {
 public:
  // `num_threads` counts the caller, which works too; ≥ 1. Throws std::system_error when the system
  // has no more threads to give.
  explicit ThreadPool(int num_threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int num_threads() const { return static_cast<int>(workers_.size()) + 1; }

  // Calls task(i) once for each i in [0, num_tasks), 0 ≤ num_tasks < 2^32, and returns when all are
  // done. A call from inside a task runs its loop on that thread alone.
  template <class Task>
  void ParallelFor(int64_t num_tasks, const Task& task) {
    Run(
        num_tasks, [](const void* context, int64_t i) { (*static_cast<const Task*>(context))(i); },
        &task);
  }

  // Between these, each task costs a look at the clock more; otherwise timing costs a branch. Both
  // are called by the thread that drives the pool, outside loops. Loops inside a loop that several
  // threads run are part of their task.
  void StartTiming();
  LoopTimes StopTiming();

 private:
  using TaskFunction = void (*)(const void* context, int64_t i);
  using Clock = std::chrono::steady_clock;

  // When a thread ended its last task. Written by that thread before it counts the task as done, so
  // it is there for the driving thread when the loop is.
  struct alignas(64) LastTask {
    uint32_t loop = 0;
    Clock::time_point end;
  };

  void Run(int64_t num_tasks, TaskFunction function, const void* context);
  void RunAlone(int64_t num_tasks, TaskFunction function, const void* context);
  // False when no task of the current loop is left to take. `thread` is 0 for the driving one.
  bool RunOneTask(size_t thread);
  void WorkerLoop(size_t thread);
  void CountLoop(uint32_t loop, Clock::time_point start);
  void Stop();

  // The loop being run. `left_` packs (number of the loop << 32 | tasks nobody has taken yet): a
  // thread takes a task by a compare-and-swap of both, so one that comes late can never take a task
  // of a loop that is over, and nobody has to wait for it. Whether a task is left must be in that
  // one word: compared with `num_tasks_`, an old count could meet the number of the next loop.
  // `loop_` repeats the number of the loop for threads that sleep.
  std::atomic<TaskFunction> function_{nullptr};
  std::atomic<const void*> context_{nullptr};
  std::atomic<uint32_t> num_tasks_{0};
  std::atomic<uint64_t> left_{0};
  std::atomic<uint32_t> done_{0};
  std::atomic<uint32_t> loop_{0};
  std::atomic<int32_t> sleeping_{0};
  std::atomic<bool> stop_{false};
  // Changes between loops only; threads read it while they hold a task, so it needs no atomic.
  bool timing_ = false;
  LoopTimes times_;
  std::vector<LastTask> last_tasks_;  // [num_threads]
  std::vector<std::thread> workers_;
};

// The loops of several jobs as one, so that a short one does not leave threads idle: calls
// task(job, i) once for each i in [0, num_tasks[job]).
template <class Task>
void ParallelForJobs(ThreadPool& pool, std::span<const int64_t> num_tasks, const Task& task) {
  std::vector<int64_t> first;
  first.reserve(num_tasks.size() + 1);
  first.push_back(0);
  for (const int64_t count : num_tasks) first.push_back(first.back() + count);
  pool.ParallelFor(first.back(), [&](int64_t i) {
    const auto next = std::upper_bound(first.begin(), first.end(), i);
    const auto job = static_cast<size_t>(next - first.begin() - 1);
    task(job, i - first[job]);
  });
}

}  // namespace moiety

#endif  // MOIETY_BASE_PARALLEL_H_
