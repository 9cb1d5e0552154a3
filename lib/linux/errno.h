/* SPDX-License-Identifier: MIT */
/*
 * The error numbers of Linux's system calls. They are the same on all machines that ExoV6 runs on.
 * Inside ExoV6 a call answers a value >= 0 or the negative of one of these.
 */
#ifndef LIB_LINUX_ERRNO_H
#define LIB_LINUX_ERRNO_H

#define EPERM           1  /* not the owner, or not root */
#define ENOENT          2  /* no such file */
#define ESRCH           3  /* no such process */
#define EINTR           4  /* a signal came first */
#define EIO             5  /* input or output failed */
#define ENXIO           6  /* no such device */
#define E2BIG           7  /* arguments too long */
#define ENOEXEC         8  /* not an executable format */
#define EBADF           9  /* not an open descriptor, or not open for this */
#define ECHILD          10 /* no such child */
#define EAGAIN          11 /* would block: try again */
#define ENOMEM          12 /* out of memory */
#define EACCES          13 /* permission denied */
#define EFAULT          14 /* bad address */
#define ENOTBLK         15 /* not a block device */
#define EBUSY           16 /* in use */
#define EEXIST          17 /* exists already */
#define EXDEV           18 /* on different file systems */
#define ENODEV          19 /* the device cannot do this */
#define ENOTDIR         20 /* not a directory */
#define EISDIR          21 /* is a directory */
#define EINVAL          22 /* invalid argument */
#define ENFILE          23 /* too many open files in the system */
#define EMFILE          24 /* too many open files in the process */
#define ENOTTY          25 /* not a terminal */
#define ETXTBSY         26 /* program file is being run */
#define EFBIG           27 /* file too large */
#define ENOSPC          28 /* no space left */
#define ESPIPE          29 /* cannot seek */
#define EROFS           30 /* read-only file system */
#define EMLINK          31 /* too many links */
#define EPIPE           32 /* nobody reads the pipe */
#define EDOM            33 /* outside of a function's domain */
#define ERANGE          34 /* result does not fit */
#define EDEADLK         35 /* would deadlock */
#define ENAMETOOLONG    36 /* name too long */
#define ENOLCK          37 /* no locks left */
#define ENOSYS          38 /* no such call */
#define ENOTEMPTY       39 /* directory not empty */
#define ELOOP           40 /* too many symbolic links */
#define ENOMSG          42 /* no message of that type */
#define EIDRM           43 /* identifier removed */
#define ECHRNG          44
#define EL2NSYNC        45
#define EL3HLT          46
#define EL3RST          47
#define ELNRNG          48
#define EUNATCH         49
#define ENOCSI          50
#define EL2HLT          51
#define EBADE           52
#define EBADR           53
#define EXFULL          54
#define ENOANO          55
#define EBADRQC         56
#define EBADSLT         57
#define EBFONT          59
#define ENOSTR          60 /* not a stream */
#define ENODATA         61 /* no data */
#define ETIME           62 /* timer expired */
#define ENOSR           63
#define ENONET          64
#define ENOPKG          65
#define EREMOTE         66
#define ENOLINK         67 /* link severed */
#define EADV            68
#define ESRMNT          69
#define ECOMM           70
#define EPROTO          71 /* protocol error */
#define EMULTIHOP       72
#define EDOTDOT         73
#define EBADMSG         74 /* bad message */
#define EOVERFLOW       75 /* value too large for its type */
#define ENOTUNIQ        76
#define EBADFD          77
#define EREMCHG         78
#define ELIBACC         79
#define ELIBBAD         80
#define ELIBSCN         81
#define ELIBMAX         82
#define ELIBEXEC        83
#define EILSEQ          84 /* invalid byte sequence */
#define ERESTART        85 /* call should be restarted */
#define ESTRPIPE        86
#define EUSERS          87  /* too many users */
#define ENOTSOCK        88  /* not a socket */
#define EDESTADDRREQ    89  /* destination address required */
#define EMSGSIZE        90  /* message too long */
#define EPROTOTYPE      91  /* wrong protocol for this socket */
#define ENOPROTOOPT     92  /* no such protocol option */
#define EPROTONOSUPPORT 93  /* protocol not supported */
#define ESOCKTNOSUPPORT 94  /* socket type not supported */
#define EOPNOTSUPP      95  /* operation not supported */
#define EPFNOSUPPORT    96  /* protocol family not supported */
#define EAFNOSUPPORT    97  /* address family not supported */
#define EADDRINUSE      98  /* address in use */
#define EADDRNOTAVAIL   99  /* address not available */
#define ENETDOWN        100 /* network is down */
#define ENETUNREACH     101 /* network unreachable */
#define ENETRESET       102 /* connection dropped by the network */
#define ECONNABORTED    103 /* connection aborted */
#define ECONNRESET      104 /* connection reset by peer */
#define ENOBUFS         105 /* no buffer space */
#define EISCONN         106 /* is connected already */
#define ENOTCONN        107 /* is not connected */
#define ESHUTDOWN       108 /* was shut down */
#define ETOOMANYREFS    109 /* too many references */
#define ETIMEDOUT       110 /* timed out */
#define ECONNREFUSED    111 /* connection refused */
#define EHOSTDOWN       112 /* host is down */
#define EHOSTUNREACH    113 /* no route to host */
#define EALREADY        114 /* under way already */
#define EINPROGRESS     115 /* now under way */
#define ESTALE          116 /* stale file handle */
#define EUCLEAN         117 /* structure needs cleaning */
#define ENOTNAM         118
#define ENAVAIL         119
#define EISNAM          120
#define EREMOTEIO       121
#define EDQUOT          122 /* quota exceeded */
#define ENOMEDIUM       123 /* no medium */
#define EMEDIUMTYPE     124 /* wrong medium type */
#define ECANCELED       125 /* cancelled */
#define ENOKEY          126 /* no key */
#define EKEYEXPIRED     127 /* key expired */
#define EKEYREVOKED     128 /* key revoked */
#define EKEYREJECTED    129 /* key rejected */
#define EOWNERDEAD      130 /* owner of a robust lock died */
#define ENOTRECOVERABLE 131 /* state cannot be recovered */
#define ERFKILL         132 /* radio is off */
#define EHWPOISON       133 /* memory page is broken */
#define EWOULDBLOCK     EAGAIN
#define EDEADLOCK       EDEADLK
#define ENOTSUP         EOPNOTSUPP

#endif
