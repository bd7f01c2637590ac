// jemalloc reads its settings from this symbol. Blocks in flight are larger than what it calls oversized, of which it returns
// the pages at once: each block then had its pages faulted in anew, a sixth of a large PUT's time. Treated as any other
// memory, unused pages go back after ten seconds, by a thread of its own, as an idle server calls no allocator.
extern "C" {
extern const char* malloc_conf;
const char* malloc_conf = "oversize_threshold:0,background_thread:true";
}
