// Package sandbox runs a program of this machine so that it can read its input, write its result, and do nothing else.
//
// A run is a re-exec of our own binary: Box.Run starts it with Arg, and Child, in the new process, takes away everything
// step by step and then becomes the program. On systems other than Linux there is no sandbox: New answers ErrNone.
//
//	Run -> fork in new namespaces, own session -> Child: limits, capabilities, Landlock, seccomp -> execve -> killed as a group
//
// Invariants:
//
//	S1: the program reaches no network: it has no socket but, where the Spec says so, those of the file system.
//	S2: it reads the system's programs and libraries, what Spec.Read names and Spec.Dir, and no other file's content.
//	S3: it changes nothing outside Spec.Dir. Calls that change modes, owners, times and attributes answer success and do
//	    nothing, so that a source which it may read keeps those, too.
//	S4: when a run ends, for whatever reason, no process of it is left.
//	S5: it inherits no descriptor but standard input, output and error, and no variable that is not named here.
//	S6: what it writes is bounded: each file by Limits.FileSize, its messages by 64 kB each.
//	S7: where Landlock or seccomp is missing nothing is run at all.
package sandbox
