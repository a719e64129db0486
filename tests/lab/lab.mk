# make lab CMD='build/vmm run build/hello' runs a command on KVM's hard flavour,
# whatever this machine has (tests/lab/README.md). LABFLAGS holds options for lab.sh.
lab: all ## run CMD under hardware-like KVM, in QEMU: make lab CMD='build/vmm run build/hello'
	@tests/lab/lab.sh $(LABFLAGS) $(if $(value CMD),"$$CMD",$(error name the command: make lab CMD='...'))
lab: export CMD := $(value CMD)

.PHONY: lab
