package comparison

import (
	"testing"

	"github.com/parley-chat/parley/server/servertest/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }
