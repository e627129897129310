package server_test

import (
	"os"
	"testing"

	"github.com/parley-chat/parley/internal/test/harness"
)

func TestMain(m *testing.M) {
	if os.Getenv(subprocessVariable) != "" {
		serveInSubprocess()
		return
	}
	harness.Main(m)
}
