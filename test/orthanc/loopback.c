/* Orthanc listens on all addresses; in the tests it is to be reached from this machine only. Compiled by tcc, loaded by LD_PRELOAD. */
long syscall(long number, ...);
struct address { unsigned short family, port; unsigned ip; };
#ifdef __aarch64__
#define SYS_BIND 200
#else
#define SYS_BIND 49
#endif
int bind(int socket, struct address *at, unsigned size) {
  if (at->family == 2 && at->ip == 0) at->ip = 0x0100007f;
  return syscall(SYS_BIND, socket, at, size);
}
