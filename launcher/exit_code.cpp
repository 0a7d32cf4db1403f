#include "launcher/exit_code.h"

#include "base/error.h"

namespace tessera {

int exit_code_of(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const UserError&) {
    return kInputWrong;
  } catch (const CommError&) {
    return kPeerFailed;
  } catch (...) {
    return kJobFailed;
  }
}

std::string text_of(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const std::bad_alloc&) {
    return "out of memory";
  } catch (const std::exception& exception) {
    return exception.what();
  } catch (...) {
    return "unknown error";
  }
}

}  // namespace tessera
