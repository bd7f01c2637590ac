// Commands, short.
#pragma once

#include "metadata/group_range.h"
#include "metadata/memory_kv.h"

namespace gabion::metadata::test {

inline const GroupRange kEverything;  // what a group owns that was never divided

inline Command create_bucket(const std::string& name) {
  Command command;
  command.mutable_create_bucket()->set_name(name);
  command.mutable_create_bucket()->set_owner("tenant");
  return command;
}
inline Command delete_bucket(const std::string& name) {
  Command command;
  command.mutable_delete_bucket()->set_name(name);
  return command;
}
// `content` stands for the bytes: its MD5 is not computed, the ETag is 16 bytes made of it.
inline std::string etag_bytes(const std::string& content) {
  std::string etag = content;
  etag.resize(16, '.');
  return etag;
}
inline std::string etag_text(const std::string& content) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string text;
  for (const char c : etag_bytes(content)) {
    text.push_back(kHex[static_cast<unsigned char>(c) >> 4]);
    text.push_back(kHex[static_cast<unsigned char>(c) & 15]);
  }
  return text;
}
inline Manifest inline_manifest(const std::string& content) {
  Manifest manifest;
  manifest.set_size(content.size());
  manifest.set_inline_data(content);
  return manifest;
}
inline Manifest block_manifest(const std::string& block, std::uint32_t length) {
  Manifest manifest;
  manifest.set_size(length);
  manifest.set_data_shards(4);
  manifest.set_parity_shards(2);
  manifest.add_blocks()->set_id(etag_bytes(block));
  manifest.mutable_blocks(0)->set_length(length);
  return manifest;
}
inline Command put(BucketId bucket, const std::string& key, const std::string& content) {
  Command command;
  PutObject& op = *command.mutable_put_object();
  op.set_bucket(bucket);
  op.set_key(key);
  op.mutable_version()->set_size(content.size());
  op.mutable_version()->set_etag(etag_bytes(content));
  op.mutable_version()->set_owner("tenant");
  if (!content.empty()) *op.mutable_manifest() = inline_manifest(content);
  return command;
}
inline Command put_blocks(BucketId bucket, const std::string& key, const std::string& block, std::uint32_t length) {
  Command command = put(bucket, key, "");
  command.mutable_put_object()->mutable_version()->set_size(length);
  command.mutable_put_object()->mutable_version()->set_etag(etag_bytes(block));
  *command.mutable_put_object()->mutable_manifest() = block_manifest(block, length);
  return command;
}
inline Command copy(BucketId bucket, const std::string& key, const Version& source) {
  Command command;
  PutObject& op = *command.mutable_put_object();
  op.set_bucket(bucket);
  op.set_key(key);
  *op.mutable_version() = source;
  if (source.manifest() != 0) op.mutable_share()->set_manifest(source.manifest());
  return command;
}
inline Command remove(BucketId bucket, const std::string& key) {
  Command command;
  command.mutable_delete_object()->set_bucket(bucket);
  command.mutable_delete_object()->set_key(key);
  return command;
}
inline Command create_upload(BucketId bucket, const std::string& key, const std::string& id) {
  Command command;
  command.mutable_create_upload()->set_bucket(bucket);
  command.mutable_create_upload()->mutable_upload()->set_key(key);
  command.mutable_create_upload()->mutable_upload()->set_id(id);
  return command;
}
inline Command put_part(BucketId bucket, const std::string& key, const std::string& id, std::uint32_t number,
                        const std::string& block, std::uint32_t length) {
  Command command;
  PutPart& op = *command.mutable_put_part();
  op.set_bucket(bucket);
  op.set_key(key);
  op.set_upload_id(id);
  op.mutable_part()->set_number(number);
  op.mutable_part()->set_md5(etag_bytes(block));
  if (length != 0) *op.mutable_manifest() = block_manifest(block, length);
  return command;
}
inline Command complete(BucketId bucket, const std::string& key, const std::string& id,
                        const std::vector<std::pair<std::uint32_t, std::string>>& parts) {
  Command command;
  CompleteUpload& op = *command.mutable_complete_upload();
  op.set_bucket(bucket);
  op.set_key(key);
  op.set_upload_id(id);
  for (const auto& [number, block] : parts) {
    op.add_parts()->set_number(number);
    op.mutable_parts(op.parts_size() - 1)->set_md5(etag_bytes(block));
  }
  op.mutable_version()->set_etag(etag_bytes("whole " + id));
  op.mutable_version()->set_etag_parts(static_cast<std::uint32_t>(parts.size()));
  return command;
}
inline Command abort_upload(BucketId bucket, const std::string& key, const std::string& id) {
  Command command;
  command.mutable_abort_upload()->set_bucket(bucket);
  command.mutable_abort_upload()->set_key(key);
  command.mutable_abort_upload()->set_upload_id(id);
  return command;
}

}  // namespace gabion::metadata::test
