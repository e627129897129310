package redistest

import (
	"os/exec"
	"syscall"
)

// endWithParent makes the kernel kill the process when this one ends: a test
// that times out runs no cleanup.
func endWithParent(c *exec.Cmd) {
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
