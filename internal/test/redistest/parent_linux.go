package redistest

import (
	"os/exec"
	"syscall"
)

// endWithParent makes the kernel end the process with this one: a test that
// runs into its timeout cleans up nothing.
func endWithParent(c *exec.Cmd) {
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
