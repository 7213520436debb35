// ThreadPool: the only place where moiety starts threads for computing.
#ifndef MOIETY_BASE_PARALLEL_H_
#define MOIETY_BASE_PARALLEL_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <type_traits>
#include <vector>

namespace moiety {

// Processors this process may use: the affinity mask, cut to the CPU quota of its cgroup. ≥ 1.
int UsableCpus();

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

 private:
  using TaskFunction = void (*)(const void* context, int64_t i);

  void Run(int64_t num_tasks, TaskFunction function, const void* context);
  bool RunOneTask();  // false when no task of the current loop is left to take
  void WorkerLoop();
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
  std::vector<std::thread> workers_;
};

}  // namespace moiety

#endif  // MOIETY_BASE_PARALLEL_H_
