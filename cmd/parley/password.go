package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"runtime"
	"strings"
)

// The password of clients comes from one of --requirepass, --requirepass-file and this
// environment variable. The last two are for those who do not want it in the command line,
// which others on the machine can read. An empty file or variable is an error: a mistake
// must not start a server without a password.
const passwordVariable = "PARLEY_REQUIREPASS"

// maxPasswordFile is in bytes. A path that is not of a password, such as /dev/zero, is not
// read to its end.
const maxPasswordFile = 64 << 10

// choosePassword takes the password from where it is given.
func (o *options) choosePassword(given map[string]bool, path string) error {
	var sources []string
	text, fromVariable := os.LookupEnv(passwordVariable)
	if given["requirepass"] {
		sources = append(sources, "--requirepass")
	}
	if o.server.Password != "" {
		o.warn("the command line holds a password, which others on this machine may read: use --requirepass-file or " + passwordVariable)
	}
	if given["requirepass-file"] {
		sources = append(sources, "--requirepass-file")
	}
	if fromVariable {
		sources = append(sources, "the environment variable "+passwordVariable)
	}
	switch {
	case len(sources) > 1:
		return errors.New("the password is given by " + strings.Join(sources, " and by ") + ": want one of them")
	case fromVariable && text == "":
		return errors.New(passwordVariable + " is empty: set it to the password, or unset it for none")
	case fromVariable:
		o.server.Password = text
	case given["requirepass-file"]:
		password, err := o.readPassword(path)
		if err != nil {
			return fmt.Errorf("requirepass-file: %w", err)
		}
		o.server.Password = password
	}
	return nil
}

// readPassword reads a file of one line. Its line end is not part of the password.
func (o *options) readPassword(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxPasswordFile+1))
	if err != nil {
		return "", err
	}
	password, ended := bytes.CutSuffix(text, []byte("\n"))
	if ended {
		password = bytes.TrimSuffix(password, []byte("\r"))
	}
	switch {
	case len(password) == 0:
		return "", fmt.Errorf("%s: the file is empty", path)
	case len(text) > maxPasswordFile || bytes.ContainsAny(password, "\n\x00"):
		return "", fmt.Errorf("%s: the file is not one line of text", path)
	}
	if info, err := f.Stat(); err == nil {
		o.warnIfOpen("requirepass-file", path, info)
	}
	return string(password), nil
}

// warnOfOpenFiles looks at the other files that hold secrets. Whether they can be read at
// all, the server finds out.
func (o *options) warnOfOpenFiles() {
	for _, file := range [...]struct{ option, path string }{
		{"aclfile", o.server.ACLFile},
		{"tls-key-file", o.server.TLSFiles.Key},
	} {
		if info, err := os.Stat(file.path); err == nil {
			o.warnIfOpen(file.option, file.path, info)
		}
	}
}

// warnIfOpen warns of a file that every user of the machine can read. Windows has other
// permissions than these.
func (o *options) warnIfOpen(option, path string, info fs.FileInfo) {
	const readableByOthers = 0o004
	if mode := info.Mode().Perm(); mode&readableByOthers != 0 && runtime.GOOS != "windows" {
		o.warn("a file with secrets is readable by all users of this machine", "option", option, "path", path, "mode", fmt.Sprintf("%04o", mode))
	}
}

// A warning is for the log, which does not exist yet.
type warning struct {
	text string
	args []any
}

func (o *options) warn(text string, args ...any) {
	o.warnings = append(o.warnings, warning{text, args})
}

func (o *options) logWarnings(logger *slog.Logger) {
	for _, w := range o.warnings {
		logger.Warn(w.text, w.args...)
	}
}

// unexpected is the error for an argument that is no option. It may be part of a password
// that was not quoted in the shell.
func unexpected(f *flag.FlagSet, given map[string]bool) error {
	if given["requirepass"] {
		return errors.New("unexpected argument, which is not shown, as it may be part of a password: quote that in the shell")
	}
	return fmt.Errorf("unexpected argument %q", f.Arg(0))
}

// takeArguments returns the command line without the program's name, and overwrites the
// passwords in the process's own, from which ps and /proc show it. redis-server does
// that, too, with a title.
func takeArguments() []string {
	args := make([]string, len(os.Args)-1)
	for i, a := range os.Args[1:] {
		args[i] = strings.Clone(a) // os.Args is that memory itself
	}
	for _, secret := range secretArguments(os.Args[1:]) {
		overwriteArgument(secret)
	}
	return args
}

// secretArguments finds passwords: substrings of the arguments. It does not know which
// words are values of other options, so it may find too many.
func secretArguments(args []string) (secrets []string) {
	for i, a := range args {
		name, dash := strings.CutPrefix(a, "-")
		name, value, inside := strings.Cut(strings.TrimPrefix(name, "-"), "=")
		switch {
		case !dash || name != "requirepass":
		case inside:
			secrets = append(secrets, value)
		case i+1 < len(args):
			secrets = append(secrets, args[i+1])
		}
	}
	return secrets
}
