#include "tools/serve/threads.h"

#include <pthread.h>
#include <sys/resource.h>

namespace gabion::serve {

IoThread::IoThread(std::string name, int niceness)
    : work_(asio::make_work_guard(context_)), thread_([this, name = std::move(name), niceness] {
        ::pthread_setname_np(::pthread_self(), name.substr(0, 15).c_str());
        // Of this thread alone, on Linux. Where it cannot be set, the work merely gives way less.
        if (niceness != 0) ::setpriority(PRIO_PROCESS, 0, niceness);
        context_.run();
      }) {}

IoThread::~IoThread() {
  work_.reset();
  context_.stop();
  thread_.join();
}

}  // namespace gabion::serve
