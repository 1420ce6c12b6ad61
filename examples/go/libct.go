// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// Package libct starts containers by the C interface of libct. Constants and structs are those of its headers.
//
// All methods may be called from any goroutine; those that wait block only theirs. Functions for lines are called
// while a Container is waited for, and by Session.Dispatch, by whoever does so.
package libct

/*
#cgo LDFLAGS: -lct
#include <stdint.h>
#include <stdlib.h>
#include <libct.h>
#include <libct-events.h>
#include <libct-streams.h>

extern void libctGoLine(uintptr_t user, int stream, int partial, int64_t time, char *bytes, size_t length);

static inline void libct_go_told(ct_handler_t ct, const struct libct_output *line, void *user)
{
	(void)ct;
	libctGoLine((uintptr_t)user, line->stream, line->partial, line->time_ns, (char *)line->bytes, line->length);
}
static inline int libct_go_on_line(ct_handler_t ct, uintptr_t user)
{
	return libct_container_on_line(ct, user == 0 ? NULL : libct_go_told, (void *)user);
}

static inline long libct_go_error(const void *handle)
{
	return libct_handle_is_err((void *)handle) ? libct_handle_to_err((void *)handle) : 0;
}
static inline long libct_go_session_error(libct_session_t s) { return libct_go_error(s); }
static inline long libct_go_container_error(ct_handler_t ct) { return libct_go_error(ct); }
static inline long libct_go_process_error(ct_process_t p) { return libct_go_error(p); }
static inline long libct_go_desc_error(ct_process_desc_t p) { return libct_go_error(p); }
*/
import "C"

import (
	"runtime"
	"runtime/cgo"
	"sync"
	"syscall"
	"time"
	"unsafe"
)

// Error is why a call has failed.
type Error struct {
	Code    int           // -LCTERR_* of <libct-errors.h>, or -1
	Errno   syscall.Errno // 0 if there is none
	Message string        // a whole sentence
}

func (e *Error) Error() string { return "libct: " + e.Message }

// Unwrap lets errors.Is compare with an errno.
func (e *Error) Unwrap() error {
	if e.Errno == 0 {
		return nil
	}
	return e.Errno
}

// Codes of errors.
const (
	BadState = -int(C.LCTERR_BADCTSTATE)
	NotFound = -int(C.LCTERR_NOTFOUND)
	Invalid  = -int(C.LCTERR_INVARG)
)

// call makes a call, and finds out on the same thread why it has failed: errors are those of a thread.
func call(function func() C.long) (int, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	code := function()
	if code >= 0 {
		return int(code), nil
	}
	failure := &Error{Code: int(code), Message: "an error without a message"}
	if last := C.libct_last_error(); last != nil {
		failure.Errno = syscall.Errno(last.error_number)
		failure.Message = C.GoString(last.message)
	}
	return int(code), failure
}

func check(function func() C.int) error {
	_, err := call(func() C.long { return C.long(function()) })
	return err
}

// text is freed by the caller; NULL for an empty one.
func text(s string) *C.char {
	if s == "" {
		return nil
	}
	return C.CString(s)
}

func free(s *C.char) { C.free(unsafe.Pointer(s)) }

// list is an array of C, which ends with NULL and is to be freed.
func list(strings []string) **C.char {
	first := (**C.char)(C.malloc(C.size_t(len(strings)+1) * C.size_t(unsafe.Sizeof((*C.char)(nil)))))
	items := unsafe.Slice(first, len(strings)+1)
	for i, s := range strings {
		items[i] = C.CString(s)
	}
	items[len(strings)] = nil
	return first
}

func freeList(first **C.char, length int) {
	for _, item := range unsafe.Slice(first, length) {
		free(item)
	}
	C.free(unsafe.Pointer(first))
}

// Options are those of a Session.
type Options struct {
	StateDirectory string // where containers are recorded; empty: nowhere
	Detach         bool   // running containers outlive the session, instead of being killed with it
}

// Session has the containers that a program makes.
type Session struct{ handle C.libct_session_t }

// Open makes a session.
func Open(options Options) (*Session, error) {
	directory := text(options.StateDirectory)
	defer free(directory)
	var given C.struct_libct_session_options
	given.struct_size = C.sizeof_struct_libct_session_options
	given.state_directory = directory
	given.on_close = C.LIBCT_ON_CLOSE_KILL
	if options.Detach {
		given.on_close = C.LIBCT_ON_CLOSE_DETACH
	}
	s := new(Session)
	_, err := call(func() C.long {
		s.handle = C.libct_session_open_with(&given)
		return C.libct_go_session_error(s.handle)
	})
	return s, err
}

// Close ends the session, and its containers as its options say.
func (s *Session) Close() { C.libct_session_close(s.handle) }

// Dispatch moves output, after waiting for some of it at most that long; for ever if that is negative.
func (s *Session) Dispatch(limit time.Duration) error {
	milliseconds := C.int(-1)
	if limit >= 0 {
		milliseconds = C.int(limit.Milliseconds())
	}
	return check(func() C.int { return min(C.libct_session_dispatch(s.handle, milliseconds), 0) })
}

func min(a, b C.int) C.int {
	if a < b {
		return a
	}
	return b
}

// Container is stopped when it is made, and can be started any number of times.
type Container struct {
	session *Session
	handle  C.ct_handler_t
	mutex   sync.Mutex
	lines   cgo.Handle // 0: none
}

// Create makes a container.
func (s *Session) Create(name string) (*Container, error) {
	cname := C.CString(name)
	defer free(cname)
	ct := &Container{session: s}
	_, err := call(func() C.long {
		ct.handle = C.libct_container_create(s.handle, cname)
		return C.libct_go_container_error(ct.handle)
	})
	return ct, err
}

// Destroy gives the container up; if it runs it goes on. Not while Dispatch or Wait are under way.
func (ct *Container) Destroy() {
	C.libct_container_destroy(ct.handle)
	ct.keep(0)
}

// SetNamespaces says which namespaces are made at each start: syscall.CLONE_NEWPID and so on.
func (ct *Container) SetNamespaces(mask uintptr) error {
	return check(func() C.int { return C.libct_container_set_nsmask(ct.handle, C.ulong(mask)) })
}

// SetRoot says which directory is "/" inside.
func (ct *Container) SetRoot(path string) error {
	cpath := C.CString(path)
	defer free(cpath)
	return check(func() C.int { return C.libct_fs_set_root(ct.handle, cpath) })
}

// SetHostname names it; needs syscall.CLONE_NEWUTS.
func (ct *Container) SetHostname(name string) error {
	cname := text(name)
	defer free(cname)
	return check(func() C.int { return C.libct_container_uname(ct.handle, cname, nil) })
}

// MountProc has a /proc for it.
func (ct *Container) MountProc() error {
	return check(func() C.int {
		return C.libct_container_set_option(ct.handle, C.LIBCT_OPT_AUTO_PROC_MOUNT, nil)
	})
}

// SetSpec replaces the whole configuration by JSON.
func (ct *Container) SetSpec(json string) error {
	cjson := C.CString(json)
	defer free(cjson)
	return check(func() C.int { return C.libct_container_set_spec(ct.handle, cjson) })
}

// Line is one of the output of the first process.
type Line struct {
	Stream  int  // 1: standard output, 2: standard error
	Partial bool // it goes on in the next one of the stream, or has no newline
	Time    time.Time
	Text    string
}

//export libctGoLine
func libctGoLine(user C.uintptr_t, stream, partial C.int, when C.int64_t, bytes *C.char, length C.size_t) {
	told := cgo.Handle(user).Value().(func(Line))
	told(Line{int(stream), partial != 0, time.Unix(0, int64(when)), C.GoStringN(bytes, C.int(length))})
}

// OnLine has a function called for each line of later starts; none for nil. Not while Dispatch or Wait are under way.
func (ct *Container) OnLine(function func(Line)) error {
	var lines cgo.Handle
	if function != nil {
		lines = cgo.NewHandle(function)
	}
	err := check(func() C.int { return C.libct_go_on_line(ct.handle, C.uintptr_t(lines)) })
	if err != nil {
		if lines != 0 {
			lines.Delete()
		}
		return err
	}
	ct.keep(lines)
	return nil
}

func (ct *Container) keep(lines cgo.Handle) {
	ct.mutex.Lock()
	defer ct.mutex.Unlock()
	if ct.lines != 0 {
		ct.lines.Delete()
	}
	ct.lines = lines
}

// LogTo logs the output of later starts to a file, in Kubernetes' format.
func (ct *Container) LogTo(path string) error {
	cpath := C.CString(path)
	defer free(cpath)
	var file C.struct_libct_log_file
	file.struct_size = C.sizeof_struct_libct_log_file
	file.path = cpath
	return check(func() C.int { return C.libct_container_add_log_file(ct.handle, &file) })
}

// Command is what a process executes. Its streams are the caller's own, unless the output is logged.
type Command struct {
	Args []string // the program, which is looked for along PATH, and its arguments
	Env  []string // "NAME=VALUE"; nil: the caller's
	UID  uint32   // inside, as the next
	GID  uint32
}

type starter func(desc C.ct_process_desc_t, path *C.char, argv, env **C.char) C.ct_process_t

// with hands the command to a function, in the form of C, and translates the error of the process that it returns.
func (c Command) with(s *Session, start starter) (*Process, error) {
	if len(c.Args) == 0 {
		return nil, &Error{Code: Invalid, Message: "a command has no program"}
	}
	argv := list(c.Args)
	defer freeList(argv, len(c.Args))
	var env **C.char
	if c.Env != nil {
		env = list(c.Env)
		defer freeList(env, len(c.Env))
	}
	var desc C.ct_process_desc_t
	_, err := call(func() C.long {
		desc = C.libct_process_desc_create(s.handle)
		return C.libct_go_desc_error(desc)
	})
	if err != nil {
		return nil, err
	}
	defer C.libct_process_desc_destroy(desc)
	process := new(Process)
	_, err = call(func() C.long {
		C.libct_process_desc_setuid(desc, C.uint(c.UID))
		C.libct_process_desc_setgid(desc, C.uint(c.GID))
		const inherit = C.LIBCT_STDIO_INHERIT
		if code := C.libct_process_desc_set_stdio(desc, inherit, inherit, inherit); code < 0 {
			return C.long(code)
		}
		process.handle = start(desc, *argv, argv, env)
		return C.libct_go_process_error(process.handle)
	})
	if err != nil {
		return nil, err
	}
	return process, nil
}

// Start starts the container with a command. The process is the container's: it needs no Destroy.
func (ct *Container) Start(c Command) (*Process, error) {
	return c.with(ct.session, func(desc C.ct_process_desc_t, path *C.char, argv, env **C.char) C.ct_process_t {
		return C.libct_container_spawn_execve(ct.handle, desc, path, argv, env)
	})
}

// Exec starts one more process in the running container, which is to be waited for and destroyed.
func (ct *Container) Exec(c Command) (*Process, error) {
	return c.with(ct.session, func(desc C.ct_process_desc_t, path *C.char, argv, env **C.char) C.ct_process_t {
		return C.libct_container_enter_execve(ct.handle, desc, path, argv, env)
	})
}

// Kill kills all processes of the container, which needs a pid namespace.
func (ct *Container) Kill() error {
	return check(func() C.int { return C.libct_container_kill(ct.handle) })
}

// Wait waits for the end, moves all output, and takes the container down.
func (ct *Container) Wait() error {
	return check(func() C.int { return C.libct_container_wait(ct.handle) })
}

// Running tells whether it was started, and not waited for.
func (ct *Container) Running() bool { return C.libct_container_state(ct.handle) != C.CT_STOPPED }

// Status is how the last run has ended.
func (ct *Container) Status() (syscall.WaitStatus, error) {
	var record C.struct_libct_exit_record
	record.struct_size = C.sizeof_struct_libct_exit_record
	err := check(func() C.int { return C.libct_container_exit_record(ct.handle, &record) })
	return syscall.WaitStatus(record.status), err
}

// Process is one that was started.
type Process struct{ handle C.ct_process_t }

// Pid is that of the host, or -1 once it was waited for.
func (p *Process) Pid() int { return int(C.libct_process_get_pid(p.handle)) }

// Wait waits for its end.
func (p *Process) Wait() (syscall.WaitStatus, error) {
	var status C.int
	err := check(func() C.int { return C.libct_process_wait(p.handle, &status) })
	return syscall.WaitStatus(status), err
}

// Destroy releases one of Container.Exec.
func (p *Process) Destroy() { C.libct_process_destroy(p.handle) }
