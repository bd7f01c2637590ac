#include "common/rpc/router.h"

#include "common/check.h"

namespace gabion::rpc {

void Router::add(std::initializer_list<Method> methods, Handler& handler) {
  for (const Method method : methods) {
    GABION_CHECK(handlers_.emplace(method, &handler).second, "two handlers want one method");
  }
}

task<Result<Reply>> Router::handle(Context ctx, Peer peer, Method method, std::string header, Bytes payload) {
  const auto it = handlers_.find(method);
  if (it == handlers_.end()) {
    co_return Error(Errc::invalid, "this node does not know method " + std::to_string(static_cast<int>(method)));
  }
  co_return co_await it->second->handle(ctx, peer, method, std::move(header), std::move(payload));
}

}  // namespace gabion::rpc
