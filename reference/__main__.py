"""Write the files that come from the code: python -m reference."""

from reference.files import ROOT, written_files

for name, text in written_files().items():
    (ROOT / name).write_text(text)
    print(name)
