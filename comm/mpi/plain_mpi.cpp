#include "comm/mpi/plain_mpi.h"

#include <mpi.h>

#include "base/error.h"
#include "comm/mpi/channel.h"

namespace tessera {
namespace {

MPI_Datatype mpi_type(DType type) {
  switch (type) {
    case DType::f32:
      return MPI_FLOAT;
    case DType::f64:
      return MPI_DOUBLE;
    case DType::i32:
      return MPI_INT32_T;
    case DType::i64:
      return MPI_INT64_T;
    case DType::i8:
      return MPI_INT8_T;
    case DType::u8:
      return MPI_UINT8_T;
    default:
      TESSERA_CHECK(false) << "MPI has no type " << name_of(type);
      return MPI_DATATYPE_NULL;
  }
}

}  // namespace

struct PlainMpi::Group {
  MPI_Comm comm = MPI_COMM_NULL;
};

PlainMpi::PlainMpi() : group_(std::make_unique<Group>()) {
  check_mpi(MPI_Comm_dup(MPI_COMM_WORLD, &group_->comm), "MPI_Comm_dup");
}

PlainMpi::~PlainMpi() {
  if (!mpi_is_over()) MPI_Comm_free(&group_->comm);
}

void PlainMpi::broadcast(void* data, size_t count, DType type, int root) {
  check_mpi(MPI_Bcast(data, static_cast<int>(count), mpi_type(type), root, group_->comm),
            "MPI_Bcast");
}

void PlainMpi::all_gather(const void* send, void* recv, size_t count, DType type) {
  const auto n = static_cast<int>(count);
  check_mpi(MPI_Allgather(send, n, mpi_type(type), recv, n, mpi_type(type), group_->comm),
            "MPI_Allgather");
}

void PlainMpi::all_reduce(const void* send, void* recv, size_t count, DType type) {
  check_mpi(
      MPI_Allreduce(send, recv, static_cast<int>(count), mpi_type(type), MPI_SUM, group_->comm),
      "MPI_Allreduce");
}

void PlainMpi::reduce_scatter(const void* send, void* recv, size_t count, DType type) {
  check_mpi(MPI_Reduce_scatter_block(send, recv, static_cast<int>(count), mpi_type(type), MPI_SUM,
                                     group_->comm),
            "MPI_Reduce_scatter_block");
}

void PlainMpi::all_to_all(const void* send, void* recv, size_t count, DType type) {
  const auto n = static_cast<int>(count);
  check_mpi(MPI_Alltoall(send, n, mpi_type(type), recv, n, mpi_type(type), group_->comm),
            "MPI_Alltoall");
}

std::string PlainMpi::version() {
  char text[MPI_MAX_LIBRARY_VERSION_STRING] = {};
  int length = 0;
  MPI_Get_library_version(text, &length);
  const std::string all(text, static_cast<size_t>(length));
  return all.substr(0, all.find_first_of(",\n"));
}

}  // namespace tessera
