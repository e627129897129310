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

// passwordVariable is an environment variable with the password for clients. The password
// comes from one of --requirepass, --requirepass-file and this variable. The last two keep it
// out of the command line, which other users of the machine can read. An empty file or
// variable is an error: a mistake must not start a server without a password.
const passwordVariable = "PARLEY_REQUIREPASS"

// maxPasswordFile limits what is read of a password file, in bytes: the path may be a
// mistake, such as /dev/zero.
const maxPasswordFile = 64 << 10

// choosePassword sets the password from its only source.
func (o *options) choosePassword() error {
	given := o.flags.given
	var sources []string
	text, fromVariable := os.LookupEnv(passwordVariable)
	if given["requirepass"] {
		sources = append(sources, "--requirepass")
	}
	if o.server.Password != "" {
		o.warn("the command line holds a password, which other users of this machine may read: use --requirepass-file or " + passwordVariable)
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
		password, err := o.readPassword(o.flags.passwordFile)
		if err != nil {
			return fmt.Errorf("requirepass-file: %w", err)
		}
		o.server.Password = password
	}
	return nil
}

// readPassword reads a password file: one line. The line ending is not part of the password.
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

// warnOfOpenFiles checks the permissions of the other files with secrets. It ignores files
// that it cannot read: the server reports those.
func (o *options) warnOfOpenFiles() error {
	for _, file := range [...]struct{ option, path string }{
		{"aclfile", o.server.ACLFile},
		{"tls-key-file", o.server.TLSFiles.Key},
	} {
		if info, err := os.Stat(file.path); err == nil {
			o.warnIfOpen(file.option, file.path, info)
		}
	}
	return nil
}

// warnIfOpen warns of a file that every user of the machine can read. It does nothing on
// Windows, which has no such permission bits.
func (o *options) warnIfOpen(option, path string, info fs.FileInfo) {
	const readableByOthers = 0o004
	if mode := info.Mode().Perm(); mode&readableByOthers != 0 && runtime.GOOS != "windows" {
		o.warn("a file with secrets is readable by all users of this machine", "option", option, "path", path, "mode", fmt.Sprintf("%04o", mode))
	}
}

// A warning is kept until the log exists.
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

// unexpected returns the error for an argument that is no option. The argument may be part
// of a password that was not quoted in the shell.
func unexpected(f *flag.FlagSet, given map[string]bool) error {
	if given["requirepass"] {
		return errors.New("unexpected argument, not shown because it may be part of a password: quote the password in the shell")
	}
	return fmt.Errorf("unexpected argument %q", f.Arg(0))
}

// takeArguments returns the command line without the program's name. It overwrites the
// passwords in the memory that ps and /proc read the command line from; redis-server
// replaces that by a title.
func takeArguments() []string {
	args := make([]string, len(os.Args)-1)
	for i, a := range os.Args[1:] {
		args[i] = strings.Clone(a) // os.Args shares the memory that is overwritten
	}
	for _, secret := range secretArguments(os.Args[1:]) {
		overwriteArgument(secret)
	}
	return args
}

// secretArguments returns the passwords: substrings of args. It may return too many, as it
// does not know which words are values of other options.
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
