from tgan_chainer.children import end_with_parent
from tgan_chainer.commands import main

if __name__ == "__main__":
    end_with_parent()
    main()
