// What the clients of a simulated cluster know: which contents each key may have, by what was acknowledged and what may have
// happened, and where the shards of committed blocks were seen.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "chunkserver/shard_store.h"
#include "metadata/records.pb.h"

namespace gabion::test {

class ClusterLedger {
 public:
  static inline const std::string kAbsent;

  // A change of the key is sent; then it was acknowledged, or it did not happen, or neither is known.
  void attempt(const std::string& key, const std::string& etag) {
    possible_.try_emplace(key, std::set<std::string>{kAbsent}).first->second.insert(etag);
  }
  void acknowledged(const std::string& key, const std::string& etag) { possible_[key] = {etag}; }
  void refused(const std::string& key, const std::string& etag) { possible_[key].erase(etag); }
  bool may_be(const std::string& key, const std::string& etag) const {
    const auto known = possible_.find(key);
    return known == possible_.end() ? etag == kAbsent : known->second.contains(etag);
  }
  const std::map<std::string, std::set<std::string>>& keys() const { return possible_; }

  void remember(const std::string& etag, std::string content) { contents_[etag] = std::move(content); }
  const std::string* content(const std::string& etag) const {
    const auto it = contents_.find(etag);
    return it == contents_.end() ? nullptr : &it->second;
  }

 private:
  std::map<std::string, std::set<std::string>> possible_;
  std::map<std::string, std::string> contents_;  // by etag
};

}  // namespace gabion::test
