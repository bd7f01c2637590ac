// Router gives each method to the handler that registered it. Filled before anybody calls it; then it is read-only and
// thread-safe. The handlers outlive it.
#pragma once

#include <initializer_list>
#include <map>

#include "common/rpc/rpc.h"

namespace gabion::rpc {

class Router final : public Handler {
 public:
  void add(std::initializer_list<Method> methods, Handler& handler);
  // A method that nobody registered is answered with Errc::invalid.
  task<Result<Reply>> handle(Context ctx, Peer peer, Method method, std::string header, Bytes payload) override;

 private:
  std::map<Method, Handler*> handlers_;
};

}  // namespace gabion::rpc
