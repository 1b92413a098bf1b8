"""The keys that xl knows, those of the fork that shares coprocs, and ours.

A name that is not here is most likely misspelt: xl ignores it without a word.
"""

_SHOWN = """
type builder kernel ramdisk extra root cmdline bootloader disk vif iomem irqs dtdev device_tree
on_poweroff on_reboot on_watchdog on_crash on_soft_reset
"""

_OURS_AND_THE_FORKS = """
coproc coproc_workload vgsx dt_compatible dt_passthrough_nodes
"""

_GENERAL = """
name uuid memory maxmem vcpus maxvcpus vnuma cpus cpus_soft nodes pool
cpu_weight cap period slice latency extratime
seclabel init_seclabel nomigrate driver_domain xend_suspend_evtchn_compat passthrough
firmware bootloader_args bootloader_restrict bootloader_user boot
max_event_channels max_grant_frames max_maptrack_frames max_grant_version vmtrace_buf_kb
"""

_DEVICES = """
vif2 vfb vkb vkb_device vdispl vsnd vtpm p9 pvcalls channel virtio usbctrl usbdev
pci pci_msitranslate pci_power_mgmt pci_permissive pci_seize gfx_passthru rdm rdm_mem_boundary ioports
"""

_ARM = """
gic_version vuart tee sve nr_spis arm_sci llc_colors trap_unmapped_accesses altp2m
"""

_X86 = """
hap oos pae acpi acpi_s3 acpi_s4 acpi_laptop_slate acpi_firmware smbios smbios_firmware apic nx hpet vpt_align
nestedhvm altp2mhvm cpuid msr_relaxed timer_mode tsc_mode localtime rtc_timeoffset mmio_hole shadow_memory viridian
mca_caps assisted_xapic assisted_x2apic ms_vm_genid e820_host pvshim pvshim_path pvshim_cmdline pvshim_extra
bios bios_path_override firmware_override xen_platform_pci vendor_device hdtype
"""

_DEVICE_MODEL = """
device_model device_model_version device_model_override device_model_args device_model_args_pv device_model_args_hvm
device_model_user device_model_stubdomain_override device_model_stubdomain_seclabel dm_restrict
stubdomain_kernel stubdomain_ramdisk stubdomain_memory
vga videoram stdvga vnc vnclisten vncdisplay vncunused vncpasswd vncviewer sdl opengl display xauthority nographic
keymap spice spiceport spicetls_port spicehost spicedisable_ticketing spicepasswd spiceagent_mouse spicevdagent
spice_clipboard_sharing spiceusbredirection spice_image_compression spice_streaming_video
serial usb usbversion usbdevice soundhw
"""

SHOWN = frozenset(_SHOWN.split())
"""What is kept as written, to be shown."""

KNOWN = SHOWN.union(*(each.split() for each in (_OURS_AND_THE_FORKS, _GENERAL, _DEVICES, _ARM, _X86, _DEVICE_MODEL)))
"""What a config may say without being warned."""
