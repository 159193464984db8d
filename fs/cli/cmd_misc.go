package cli

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"dropfs/fs/cli/daemon"
	"dropfs/fs/cli/fail"
)

// versionCommand tells what this program is.
func (a App) versionCommand() *cobra.Command {
	c := &cobra.Command{Use: "version", Short: "tells the version", Args: args(0, 0)}
	asJSON := c.Flags().Bool("json", false, "print JSON")
	c.RunE = run("version", func(*cobra.Command, []string) error {
		v := map[string]string{"version": daemon.Version, "go": runtime.Version(), "system": runtime.GOOS + "/" + runtime.GOARCH}
		if b, ok := debug.ReadBuildInfo(); ok {
			for _, s := range b.Settings {
				if s.Key == "vcs.revision" {
					v["revision"] = s.Value
				}
			}
		}
		if *asJSON {
			return a.json(v)
		}
		a.say("dropfs %s (%s, %s)", v["version"], v["go"], v["system"])
		return nil
	})
	return c
}

// completionCommand prints a shell's completion script.
func (a App) completionCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "completion bash|zsh|fish", Short: "prints the completion script of a shell",
		Args: args(1, 1), ValidArgs: []string{"bash", "zsh", "fish"},
	}
	c.RunE = run("completion", func(c *cobra.Command, args []string) error {
		switch root := c.Root(); args[0] {
		case "bash":
			return root.GenBashCompletionV2(a.Out, true)
		case "zsh":
			return root.GenZshCompletion(a.Out)
		case "fish":
			return root.GenFishCompletion(a.Out, true)
		default:
			return fail.New(fail.Usage, "completion", fmt.Sprintf("%q is not bash, zsh or fish", args[0]))
		}
	})
	return c
}

// manCommand writes the manual pages: of the program, and of each command.
func (a App) manCommand() *cobra.Command {
	c := &cobra.Command{Use: "man DIR", Short: "writes the manual pages into a directory", Hidden: true, Args: args(1, 1)}
	c.RunE = run("man", func(c *cobra.Command, args []string) error {
		if err := os.MkdirAll(args[0], 0o755); err != nil {
			return err
		}
		root := c.Root()
		root.DisableAutoGenTag = true
		return doc.GenManTree(root, &doc.GenManHeader{Title: "DROPFS", Section: "1", Source: "dropfs " + daemon.Version, Manual: "dropfs"}, args[0])
	})
	return c
}

// firstLine returns what stands before the first line break.
func firstLine(b []byte) string {
	line, _, _ := bytes.Cut(b, []byte("\n"))
	return string(bytes.TrimSpace(line))
}
