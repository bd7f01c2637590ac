#include "tools/serve/threads.h"

#include <pthread.h>

namespace gabion::serve {

IoThread::IoThread(std::string name)
    : work_(asio::make_work_guard(context_)), thread_([this, name = std::move(name)] {
        ::pthread_setname_np(::pthread_self(), name.substr(0, 15).c_str());
        context_.run();
      }) {}

IoThread::~IoThread() {
  work_.reset();
  context_.stop();
  thread_.join();
}

}  // namespace gabion::serve
