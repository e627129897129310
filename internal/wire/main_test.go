package wire_test

import (
	"testing"

	"github.com/parley-chat/parley/internal/test/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }
