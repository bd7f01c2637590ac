// Looking things up and changing them in the metadata on behalf of a request, with the answers as S3's errors. References
// must outlive the tasks.
#pragma once

#include <string>

#include "gateway/s3/request.h"
#include "gateway/s3/service.h"

namespace gabion::gateway::s3 {

// A failure of a layer below, for co_await expressions that yield Result. Faults of ours are logged here, because the
// client's text does not tell them.
S3Error failure(const Request& request, const Error& error);
template <class T>
S3Result<T> answered(const Request& request, Result<T> result) {
  if (!result) return failure(request, result.error());
  if constexpr (std::is_void_v<T>) return {};
  else return *std::move(result);
}

// The bucket the request names: it exists, is the caller's, and is whose x-amz-expected-bucket-owner says.
task<S3Result<metadata::Bucket>> find_bucket(const Service& service, const Request& request);
// The same for another bucket; `owner_header` names the header with its expected owner.
task<S3Result<metadata::Bucket>> find_bucket(const Service& service, const Request& request, std::string name,
                                             std::string_view owner_header);
// NoSuchKey when there is none.
task<S3Result<metadata::Object>> find_object(const Service& service, const Request& request, metadata::BucketId bucket,
                                             std::string key, metadata::Metadata::With with);

// Commits, and gives every refusal as an error.
task<S3Result<metadata::CommandResult>> commit(const Service& service, const Request& request,
                                               metadata::Command command);
// Commits a change whose blocks `writer` has written (nullptr when there are none). They stay the writer's to remove when
// the change certainly did not happen.
task<S3Result<metadata::CommandResult>> commit_written(const Service& service, const Request& request,
                                                       metadata::Command command,
                                                       std::unique_ptr<data::Writer> writer);
// What an outcome other than APPLIED means to the client.
S3Error refusal(const Request& request, const metadata::CommandResult& result);

S3Error no_such_key(std::string key);
S3Error no_such_upload(const Request& request);

}  // namespace gabion::gateway::s3
